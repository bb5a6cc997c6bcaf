"""How a segment is run: engines, which differ in speed and not in what they compute."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd import State, unroll, unroll_blocks
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Segment

Run = Callable[[Tensor, Any, Segment], tuple[Tensor, Any]]
"""A forward path: (inputs (n, B, …), state, segment) → (outputs (n, B, H), last state), ready for backward."""


def plain(model: RecurrentModel) -> Run:
    """Step by step on the autograd tape: every model has it, and it is every other engine's oracle."""

    def run(inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State]:
        outputs, last = unroll(model.step, model.encode(inputs), state, segment)
        return torch.stack(outputs), last

    return run


def fused(model: RecurrentModel) -> Run | None:
    """One autograd function over the segment, for models that define its recursion."""
    kind = model.recurrence()
    if kind is None:
        return None
    # imported here: the plain path needs none of it
    from artbp_exp.autograd.fused import run_segment

    return lambda inputs, state, segment: run_segment(kind, model, inputs, state, segment)


def vendor(model: RecurrentModel) -> Run | None:
    """torch's own kernels (oneDNN on CPU, cuDNN on CUDA) between places where a cut could be: `method.every`."""
    if model.blocks() is None:
        return None

    def run(inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State]:
        block = model.blocks()
        assert block is not None
        return unroll_blocks(block, inputs, state, segment)

    return run


PATHS: dict[str, Callable[[RecurrentModel], Run | None]] = {"fused": fused, "vendor": vendor, "plain": plain}
ENGINES = ("auto", *PATHS)


def find_engine(name: str, model: RecurrentModel) -> tuple[str, Run]:
    """The engine of that name for a model: (its name, `auto` resolved; its forward path).

    Args:
        name: `plain`, `fused`, `vendor`, or `auto`: fused where the model has it, else plain.
        model: receives the gradient.

    Raises:
        UserError: an unknown engine, or one that the model does not have.
    """
    checks.choice("engine", name, ENGINES)
    for candidate in ("fused", "plain") if name == "auto" else (name,):
        run = PATHS[candidate](model)
        if run is not None:
            return candidate, run
    raise UserError(
        f"engine={name} is not available for this model ({type(model).__name__}); take engine=auto or engine=plain"
    )
