"""Real-time recurrent learning (Williams & Zipser 1989): G_t = J_t G_{t−1} + Φ_t, ĝ = Σ_t e_t G_t."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, jacrev

from artbp_exp import checks
from artbp_exp.autograd.state import detach, fill, leaves
from artbp_exp.methods.base import Draw, Loss, Method
from artbp_exp.recurrent import RecurrentModel


@dataclass(frozen=True)
class Steps:
    length: int


class Stepping(nn.Module):
    def __init__(self, model: RecurrentModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: Tensor, state: Any) -> Any:
        return self.model.step(self.model.encode(inputs[None])[0], state)


class RTRL(Method):
    name = "rtrl"

    def __init__(self, model: RecurrentModel, update_every: int) -> None:
        self._model, self._stepping, self._every = model, Stepping(model), update_every

    def begin(self, batch_size: int) -> Any:
        state = self._model.init_state(batch_size)
        size = sum(leaf.numel() for leaf in leaves(state))
        sensitivity = {n: p.new_zeros(size, *p.shape) for n, p in self._stepping.named_parameters()}
        return {"state": state, "sensitivity": sensitivity}

    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        for first in range(start, steps, self._every):
            yield first, Steps(min(self._every, steps - first))

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        yield tuple(draw for _, draw in self.draws(steps, np.random.default_rng(0))), 1.0

    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        state, before = carry["state"], carry["sensitivity"]
        total = 0.0
        for t in range(draw.length):
            output, state, read, before = self._step(inputs[t], state, before)
            output.requires_grad_()
            value = loss(self._model.decode(output[None]), targets[t : t + 1])
            value.backward()  # the readout's gradient is the ordinary one
            for name, parameter in self._stepping.named_parameters():
                found = torch.einsum("o,o...->...", output.grad.flatten(), read[name])
                parameter.grad = found if parameter.grad is None else parameter.grad + found
            total += value.item()
        return total, {"state": state, "sensitivity": before}

    def _step(self, row: Tensor, state: Any, before: dict[str, Tensor]) -> Any:
        shapes = [leaf.shape for leaf in leaves(state)]
        flat = torch.cat([leaf.flatten() for leaf in leaves(state)])
        parameters = {n: p.detach() for n, p in self._stepping.named_parameters()}

        def step(parameters: dict[str, Tensor], flat: Tensor) -> Any:
            parts = flat.split([shape.numel() for shape in shapes])
            nested = fill(state, [part.view(shape) for part, shape in zip(parts, shapes, strict=True)])
            output, after = functional_call(self._stepping, parameters, (row, nested))
            return (output.flatten(), torch.cat([leaf.flatten() for leaf in leaves(after)])), (output, after)

        ((read, kept), (output, after)) = jacrev(step, argnums=(0, 1), has_aux=True)(parameters, flat)
        passed = [
            {n: direct[n] + torch.einsum("is,s...->i...", through, before[n]) for n in before}
            for direct, through in (read, kept)
        ]
        return output.detach(), detach(after), *passed


def build(*, update_every: int = 1, model: RecurrentModel) -> Method:
    return RTRL(model, checks.whole("method.update_every", update_every, at_least=1))
