"""How a segment is run: engines, which differ in speed and not in what they compute."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd import State, leaves, map_state, unroll, unroll_blocks
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Segment

Run = Callable[[Tensor, Any, Segment], tuple[Tensor, Any]]
"""A forward path: (inputs (n, B, …), state, segment) → (outputs (n, B, H), last state), ready for backward."""

Trace = Callable[[Tensor, Any, Segment], tuple[Tensor, Any, Any]]
"""As `Run`, and between outputs and last state the states after each step, before the factors: leaves (n, B, …)."""


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


def plain_trace(model: RecurrentModel) -> Trace:
    """`plain`, and the states that it passes through."""

    def step(row: Tensor, state: State) -> tuple[Any, State]:
        output, after = model.step(row, state)
        return (output, after), after

    def run(inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State, State]:
        pairs, last = unroll(step, model.encode(inputs), state, segment)
        outputs, states = zip(*pairs, strict=True)
        return torch.stack(outputs), map_state(lambda *leaves: torch.stack(leaves), *states), last

    return run


def fused_trace(model: RecurrentModel) -> Trace | None:
    """`fused`, for models whose output is the whole state: the memory of an (h, c) it does not show."""
    run, kind = fused(model), model.recurrence()
    if run is None or kind is None or kind.has_cell:
        return None

    def traced(inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State, State]:
        outputs, last = run(inputs, state, segment)
        return outputs, outputs.to(leaves(last)[0].dtype), last

    return traced


PATHS: dict[str, Callable[[RecurrentModel], Run | None]] = {"fused": fused, "vendor": vendor, "plain": plain}
TRACES: dict[str, Callable[[RecurrentModel], Trace | None]] = {"fused": fused_trace, "plain": plain_trace}
ENGINES = ("auto", *PATHS)


def find_engine(name: str, model: RecurrentModel) -> tuple[str, Run]:
    """The engine of that name for a model: (its name, its forward path).

    `name` is `plain`, `fused`, `vendor`, or `auto`: fused where the model has it, else plain.
    """
    return _find(name, model, PATHS)


def find_trace(name: str, model: RecurrentModel) -> tuple[str, Trace]:
    """As `find_engine`, of those engines that show the state after every step."""
    return _find(name, model, TRACES, what=" with a boundary and this method")


Path = TypeVar("Path")


def _find(
    name: str, model: RecurrentModel, paths: Mapping[str, Callable[[RecurrentModel], Path | None]], what: str = ""
) -> tuple[str, Path]:
    checks.choice("engine", name, ENGINES)
    for candidate in ("fused", "plain") if name == "auto" else (name,):
        found = paths[candidate](model) if candidate in paths else None
        if found is not None:
            return candidate, found
    raise UserError(
        f"engine={name} is not available for this model ({type(model).__name__}){what}; "
        f"take engine=auto or engine=plain"
    )
