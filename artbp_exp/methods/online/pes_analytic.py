"""PES with the gradient of its own window by backpropagation (Vicol et al. 2021, arXiv 2112.13835)."""

from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd import detach
from artbp_exp.methods.base import Claim, Loss, Method
from artbp_exp.methods.online.pes import PES
from artbp_exp.models.linear import LinearSystem
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class PESAnalytic(PES):
    """Beside its particles it runs a state with θ itself, whose window gives p = ∂L/∂θ by backpropagation.

        ĝ = p + Σ_i ξ_i (L_i − ε_i · p) / (N σ²),   ξ_i without this window's ε_i

    Within the window it has the gradient of the loss itself, beyond it that of the smoothed loss; on a loss that is
    quadratic in θ these are one, elsewhere it is neither, by O(σ²). The read-out has its gradient from the state with
    θ. See `PES`.
    """

    def claim(self, steps: int) -> Claim:
        """Unbiased on the linear system, whose loss is quadratic."""
        return Claim.SMOOTHED if isinstance(self._model, LinearSystem) else Claim.BIASED

    def begin(self, batch_size: int) -> dict[str, Any]:
        """See `PES.begin`; and the state with θ itself."""
        return {"state": self._model.init_state(batch_size), **super().begin(batch_size)}

    def advance(
        self, carry: Any, draw: Any, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`."""
        xi, epsilon = carry["xi"], draw.numbers.to(carry["xi"])
        state, outputs = carry["state"], []
        for row in self._model.encode(inputs):
            output, state = self._model.step(row, state)
            outputs.append(output)
        value = loss(self._model.decode(torch.stack(outputs)), targets)
        with torch.no_grad():
            losses, particles = self.run(carry["particles"], epsilon, inputs, targets, loss)
        own = self._own(value)
        control = epsilon @ own
        self._stepping.add(self.weigh(xi, losses - torch.cat([control, -control])))
        return value.item(), {"state": detach(state), "particles": particles, "xi": xi + epsilon}

    def _own(self, value: Tensor) -> Tensor:
        """Adds the gradient of the window's loss to `.grad`, and returns its part for θ (P,)."""
        everything = dict(self._model.named_parameters())
        if not value.requires_grad:
            return self._stepping.theta().zero_()
        found = torch.autograd.grad(value, list(everything.values()), materialize_grads=True)
        parts = {name: part.detach() for name, part in zip(everything, found, strict=True)}
        for name, parameter in everything.items():
            parameter.grad = parts[name] if parameter.grad is None else parameter.grad + parts[name]
        return torch.cat([parts[name].flatten() for name in self._stepping.parameters])


def build(
    *, update_every: int = 10, particles: int = 100, sigma: float = 0.1, model: RecurrentModel, task: Task
) -> Method:
    """PES-Analytic with windows of `update_every` steps; see `PESAnalytic`."""
    return PESAnalytic(
        name="pes_analytic", model=model, task=task, update_every=update_every, particles=particles, sigma=sigma
    )
