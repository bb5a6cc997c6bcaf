"""Segment + scheme → loss, gradients, next state: the code path that every run trains with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import State, detach, leaves, map_state
from artbp_exp.autograd.checkpointing import pieces
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Segment

Loss = Callable[[Tensor, Tensor], Tensor]
Run = Callable[[Tensor, Any, Segment], tuple[Tensor, Any]]
"""A forward path: (inputs (n, B, …), state, segment) → (outputs (n, B, H), last state), ready for backward."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """What a segment gave; its gradient is in the parameters' `.grad`.

    Attributes:
        loss: summed over the segment's steps, averaged over streams.
        state: after the last step, cut off from its history.
    """

    loss: float
    state: State


@dataclass(frozen=True, kw_only=True)
class Estimator:
    """Runs segments forward and backward.

    Attributes:
        model: its parameters receive the gradient.
        run: the forward path of an engine; its backward carries the factors of the segment.
        engine: its name.
        memory: steps whose intermediate results are kept at a time; a longer segment is backpropagated piece by
            piece, each recomputed from the state kept before it. None keeps everything. The gradient is the same.
        autocast: dtype of the matrix products in mixed precision; None computes all in the model's dtype.
    """

    model: RecurrentModel
    run: Run
    engine: str
    memory: int | None = None
    autocast: torch.dtype | None = None

    def __call__(self, *, loss: Loss, inputs: Tensor, targets: Tensor, state: State, segment: Segment) -> Estimate:
        """Runs one segment forward and backward, and *adds* its gradient to the parameters' `.grad`.

        δ_t = ∂ℓ_t/∂s_t + factor_t · δ_{t+1} ∂F/∂s(x_{t+1}, s_t) inside the segment, and δ_n = ∂ℓ_n/∂s_n at its end
        (Tallec & Ollivier 2017, arXiv 1705.08209, eq. 12–13). With the factors of an ARTBP scheme the sum over a
        sequence's segments has, over the draws of the cuts, the full gradient as its mean.

        Args:
            loss: (predictions (n, B, …), targets (n, B, …)) → scalar, a *sum* over steps.
            inputs: (n, B, …).
            targets: (n, B, …).
            state: before the first step.
            segment: its length n and factors.
        """
        bounds = pieces(segment.length, self.memory)
        states = [state]
        with torch.no_grad():
            for start, stop in bounds[:-1]:
                states.append(detach(self._forward(inputs[start:stop], states[-1], _ones(stop - start))[1]))
        total, final = 0.0, state
        carried: list[Tensor | None] = []
        for start, stop in reversed(bounds):
            before = states.pop()
            if start > 0:
                before = map_state(lambda tensor: tensor.detach().requires_grad_(), before)
            piece = Segment(length=stop - start, factors=segment.factors[start : stop - 1])
            value, last = self._loss(loss, inputs[start:stop], targets[start:stop], before, piece)
            # nothing is carried into the last piece, so `carried` is shorter there
            arriving = [(leaf, grad) for leaf, grad in zip(leaves(last), carried, strict=False) if grad is not None]
            torch.autograd.backward([value, *(leaf for leaf, _ in arriving)], [None, *(grad for _, grad in arriving)])
            total += value.item()
            if stop == segment.length:
                final = detach(last)
            if start > 0:
                factor = float(segment.factors[start - 1])
                carried = [None if leaf.grad is None else leaf.grad * factor for leaf in leaves(before)]
        return Estimate(loss=total, state=final)

    def _forward(self, inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State]:
        with torch.autocast(inputs.device.type, self.autocast, enabled=self.autocast is not None):
            return self.run(inputs, state, segment)

    def _loss(
        self, loss: Loss, inputs: Tensor, targets: Tensor, state: State, segment: Segment
    ) -> tuple[Tensor, State]:
        with torch.autocast(inputs.device.type, self.autocast, enabled=self.autocast is not None):
            outputs, last = self.run(inputs, state, segment)
            return loss(self.model.decode(outputs), targets), last


def _ones(length: int) -> Segment:
    """A segment without factors: for running forward only."""
    return Segment(length=length, factors=np.ones(length - 1))
