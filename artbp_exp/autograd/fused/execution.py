"""How the steps of a segment are run: in one compiled call, one after another around torch's products, or replayed."""

import importlib.util
from functools import cache
from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd.fused import operators
from artbp_exp.autograd.fused.arrays import Backward, Forward
from artbp_exp.autograd.fused.products import Product
from artbp_exp.autograd.fused.recurrence import Recurrence

ADDED = 128
"""Units up to which the gradient of the recurrent weight is added up step by step."""


@cache
def has_numba() -> bool:
    """Whether the `fast` extra is installed."""
    return importlib.util.find_spec("numba") is not None


def _steps(arrays: Forward | Backward) -> Any:
    """The steps to take: compiled on CPU if Numba is installed, else of torch operators."""
    hidden = arrays.hidden
    known = hidden.dtype in (torch.float32, torch.float64, torch.bfloat16)
    if hidden.device.type != "cpu" or not known or not has_numba():
        return operators
    from artbp_exp.autograd.fused import compiled  # imported here: the extra `fast` may not be installed

    return compiled


def is_whole(steps: Any, arrays: Forward | Backward) -> bool:
    """Whether the segment runs in one compiled call, with a product of its own: on one thread, in full precision."""
    return steps is not operators and arrays.hidden.dtype == arrays.memory.dtype and torch.get_num_threads() == 1


def is_recorded(arrays: Forward | Backward) -> bool:
    """Whether blocks of steps are replayed as CUDA graphs."""
    return bool(arrays.hidden.device.type == "cuda")


def folds(inputs: Tensor) -> bool:
    """Whether a mixture is multiplied into the recurrent weight, once a segment: a GPU waits for each product."""
    return inputs.device.type == "cuda"


def run_forward(kind: type[Recurrence], arrays: Forward, recurrent: Tensor, mixing: Tensor | None) -> None:
    """Runs all steps forward."""
    steps, hidden = _steps(arrays), arrays.hidden
    if is_recorded(arrays):
        from artbp_exp.autograd.fused import graphs  # imported here: it loads torch's compiler, a second or two

        with graphs.LOCK:
            graphs.run_forward(kind, arrays, recurrent)
        return
    viewed = Forward(*map(steps.view, arrays))
    if is_whole(steps, arrays):
        steps.forward_segment(kind, viewed, steps.pack(recurrent), None if mixing is None else steps.pack(mixing))
        return
    product = _product(recurrent, arrays)
    mix = None if mixing is None else _product(mixing, arrays)
    for t in range(len(hidden) - 1):
        entering = hidden[t]
        if mix is not None:
            steps.mix_step(kind, t, viewed, steps.view(mix(entering)))
            entering = arrays.mixed[min(t, len(arrays.mixed) - 1)]
        steps.forward_step(kind, t, viewed, steps.view(product(entering)))


def run_backward(
    kind: type[Recurrence],
    arrays: Backward,
    recurrent: Tensor,
    mixing: Tensor | None,
    carried: Tensor,
    needs_state: bool,
) -> tuple[Tensor, Tensor | None]:
    """Runs all steps backward.

    Returns the gradient that arrives at the first h through the products; and that of the recurrent weight, None where
    it is left to be computed over all steps at once.
    """
    if is_recorded(arrays):
        from artbp_exp.autograd.fused import graphs

        with graphs.LOCK:
            return graphs.run_backward(kind, arrays, recurrent, carried), None
    steps = _steps(arrays)
    viewed = Backward(*(steps.view(a) if isinstance(a, Tensor) else a for a in arrays))
    if is_whole(steps, arrays):
        back = None if mixing is None else steps.pack(mixing.t())
        panels = steps.pack(recurrent.t())
        # a small weight's gradient is added up step by step, while the step's gradients are in the cache
        adds = mixing is None and carried.shape[1] <= ADDED and carried.shape[1] % panels.shape[2] == 0
        gradient = torch.zeros_like(recurrent) if adds else None
        found = steps.backward_segment(
            kind, viewed, panels, back, steps.view(carried), needs_state, steps.view(gradient)
        )
        return torch.from_numpy(found)[:, : carried.shape[1]], gradient
    ungate = _product(recurrent.t(), arrays)
    unmix = None if mixing is None else _product(mixing.t(), arrays)
    for t in reversed(range(len(arrays.factors))):
        steps.backward_step(kind, t, viewed, steps.view(carried))
        gradient, back = arrays.gates[t], ungate
        if unmix is not None:
            steps.unmix_step(kind, t, viewed, steps.view(ungate(gradient)))
            gradient, back = arrays.dmixed[t], unmix
        if t > 0 or needs_state:
            carried = back(gradient)
    return carried, None


def _product(weight: Tensor, arrays: Forward | Backward) -> Product:
    hidden = arrays.hidden
    return Product(weight.detach().to(hidden.dtype), rows=hidden.shape[1], times=len(hidden) - 1)
