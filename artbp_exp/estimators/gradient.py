"""Segment + scheme → loss, gradients, next state: the code path that every run trains with."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from artbp_exp.backprop import State, detach, unroll
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Segment

Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a segment gave; its gradient is in the parameters' `.grad`.

    Attributes:
        loss: summed over the segment's steps, averaged over streams.
        state: after the last step, cut off from its history.
    """

    loss: float
    state: State


def estimate(
    *,
    model: RecurrentModel,
    loss: Loss,
    inputs: Tensor,
    targets: Tensor,
    state: State,
    segment: Segment,
) -> Estimate:
    """Runs one segment forward and backward, and *adds* its gradient to the parameters' `.grad`.

    δ_t = ∂ℓ_t/∂s_t + factor_t · δ_{t+1} ∂F/∂s(x_{t+1}, s_t) inside the segment, and δ_n = ∂ℓ_n/∂s_n at its end
    (Tallec & Ollivier 2017, arXiv 1705.08209, eq. 12–13). With the factors of an ARTBP scheme the sum over a
    sequence's segments has, over the draws of the cuts, the full gradient as its mean.

    Args:
        model: its parameters receive the gradient.
        loss: (predictions (n, B, …), targets (n, B, …)) → scalar, a *sum* over steps.
        inputs: (n, B, …).
        targets: (n, B, …).
        state: before the first step.
        segment: its length n and factors.
    """
    outputs, last = unroll(model.step, model.encode(inputs), state, segment)
    total = loss(model.decode(torch.stack(outputs)), targets)
    total.backward()
    return Estimate(loss=total.item(), state=detach(last))
