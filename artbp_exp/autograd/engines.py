"""How a segment is run: engines, which differ in speed and not in what they compute."""

from collections.abc import Callable

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd import State, unroll, unroll_blocks
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.training.segment_gradient import Estimate, Estimator, Loss, Run
from artbp_exp.truncation import Segment


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


def make_estimator(
    *, engine: str, model: RecurrentModel, memory: int | None = None, autocast: torch.dtype | None = None
) -> Estimator:
    """What runs a segment forward and backward.

    Args:
        engine: `plain`, `fused`, `vendor`, or `auto`: fused where the model has it, else plain.
        model: receives the gradient.
        memory: steps kept at a time, see `Estimator`.
        autocast: dtype of the matrix products, see `Estimator`.

    Raises:
        UserError: an unknown engine, or one that the model does not have.
    """
    checks.choice("engine", engine, ENGINES)
    for name in ("fused", "plain") if engine == "auto" else (engine,):
        run = PATHS[name](model)
        if run is not None:
            return Estimator(model=model, run=run, engine=name, memory=memory, autocast=autocast)
    raise UserError(
        f"engine={engine} is not to be had for this model ({type(model).__name__}); take engine=auto or engine=plain"
    )


def estimate(
    *,
    model: RecurrentModel,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    state: State,
    segment: Segment,
    engine: str = "plain",
    memory: int | None = None,
) -> Estimate:
    """One segment by the engine of that name; see `Estimator`."""
    estimator = make_estimator(engine=engine, model=model, memory=memory)
    return estimator(loss=loss, inputs=inputs, targets=targets, state=state, segment=segment)
