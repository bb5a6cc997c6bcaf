"""The one place where a carry factor meets autograd."""

import math
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd.state import map_state
from artbp_exp.errors import UserError


class _Carry(torch.autograd.Function):
    """Identity forward; multiplies the gradient by a number on its way back."""

    generate_vmap_rule = True  # so that torch.func's transforms take it

    @staticmethod
    def forward(tensor: Tensor, factor: float) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.factor = inputs[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] * ctx.factor, None


def carry(state: Any, factor: float) -> Any:
    """Passes `state` on to the next step; the gradient that comes back through it is multiplied by `factor`.

    Implements the factor of ARTBP's recursion δ_t = ∂ℓ_t/∂s_t + factor · δ_{t+1} ∂F/∂s (Tallec & Ollivier
    2017, arXiv 1705.08209, Proposition 1): the loss at step t reads the state that was *not* passed through here.

    Args:
        state: a tensor, or tensors nested in tuples, lists and dicts; those that take no gradient pass unchanged.
        factor: 1 / (1 − c(d)); a Python float (float64), whatever the dtype of the state.

    Returns:
        A state equal to `state`, not to be changed in place: set parts of it with `torch.where`, say.

    Raises:
        UserError: `factor` is not a finite number ≥ 0.
        TypeError: `state` is something else.
    """
    if not isinstance(factor, Real) or not 0.0 <= factor < math.inf:
        raise UserError(f"factor must be one finite number ≥ 0, such as segment.factor(t); got {factor!r}")
    if factor == 1.0:
        return state
    return map_state(lambda tensor: _Carry.apply(tensor, factor) if tensor.requires_grad else tensor, state)
