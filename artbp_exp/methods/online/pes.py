"""Persistent evolution strategies (Vicol, Metz & Sohl-Dickstein 2021, arXiv 2112.13835): no derivative is taken."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import vmap

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.methods.base import Claim, Draw, Loss, Method
from artbp_exp.methods.online.online import OnlineMethod
from artbp_exp.methods.online.stepping import traced
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class PES(OnlineMethod):
    """N particles with states of their own run a window of K steps each with a perturbation of θ of its own.

        ε_i ~ N(0, σ²) anew in each window,   ξ_i ← ξ_i + ε_i,   ĝ = Σ_i ξ_i L_i / (N σ²)

    L_i is the particle's loss over the window, with θ + ε_i. The particles come in pairs ±ε, whose ξ are ± as well, so
    that of each pair one ξ is kept. Unbiased for the loss smoothed over ε, at fixed θ; its variance grows with the
    number of windows. The read-out is not perturbed: it has its ordinary gradient, averaged over the particles.
    Time N forward passes, memory N states and N/2 times the parameters. N is `particles`, K is `update_every`, and
    `smoothing`, (σ, K), says what the smoothed loss is.
    """

    claims = Claim.SMOOTHED

    def __init__(
        self, *, name: str = "pes", model: RecurrentModel, task: Task, update_every: int, particles: int, sigma: float
    ) -> None:
        super().__init__(name=name, model=model, task=task, update_every=update_every)
        self._particles = checks.whole("method.particles", particles, at_least=2)
        if self._particles % 2:
            near = self._particles + 1
            raise UserError(f"method.particles={particles} is odd, and particles come in pairs; take {near}")
        self._sigma = checks.number("method.sigma", sigma, above=0)
        self.smoothing = self._sigma, self._every
        numbers = self._particles * (task.batch_size * self._stepping.size + self._stepping.count)
        checks.in_memory("method.particles", self._particles, numbers, what="particles and their perturbations")
        self._move = traced(vmap(self._stepping.batch, in_dims=(0, 0, None)))

    def begin(self, batch_size: int) -> dict[str, Tensor]:
        """The particles' states (N, B, S), and ξ of the first of each pair (N/2, P)."""
        state = self._stepping.flat(self._model.init_state(batch_size))
        xi = state.new_zeros(self._particles // 2, self._stepping.count)
        return {"particles": state.expand(self._particles, *state.shape).clone(), "xi": xi}

    def draw(self, length: int, rng: np.random.Generator) -> Tensor:
        """ε of the first of each pair, (N/2, P)."""
        return torch.from_numpy(self._sigma * rng.standard_normal((self._particles // 2, self._stepping.count)))

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        """Refused."""
        raise UserError(f"method={self.name} draws Gaussian numbers, so its outcomes cannot be enumerated")

    def advance(
        self, carry: Any, draw: Any, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`."""
        epsilon = draw.numbers.to(carry["xi"])
        losses, particles = self.run(carry["particles"], epsilon, inputs, targets, loss)
        if losses.requires_grad:
            losses.mean().backward()
        xi = carry["xi"] + epsilon
        self._stepping.add(self.weigh(xi, losses))
        return losses.mean().item(), {"particles": particles, "xi": xi}

    def run(
        self, particles: Tensor, epsilon: Tensor, inputs: Tensor, targets: Tensor, loss: Loss
    ) -> tuple[Tensor, Tensor]:
        """Runs all particles over a window. Returns L (N,), a function of the read-out, and their states after it."""
        thetas = self._stepping.theta() + torch.cat([epsilon, -epsilon])
        found = []
        for row in inputs:
            outputs, particles = self._move(thetas, particles, row)
            found.append(outputs)
        return vmap(lambda outputs: loss(self._model.decode(outputs), targets))(torch.stack(found, 1)), particles

    def weigh(self, xi: Tensor, losses: Tensor) -> Tensor:
        """Σ_i ξ_i L_i / (N σ²): (N/2, P) and (N,) → (P,)."""
        first, second = losses.detach().chunk(2)
        return (first - second) @ xi / (self._particles * self._sigma**2)


def build(
    *, update_every: int = 1, particles: int = 100, sigma: float = 0.1, model: RecurrentModel, task: Task
) -> Method:
    """Persistent evolution strategies with windows of `update_every` steps; see `PES`."""
    return PES(model=model, task=task, update_every=update_every, particles=particles, sigma=sigma)
