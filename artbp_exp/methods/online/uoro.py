"""Unbiased online recurrent optimisation (Tallec & Ollivier 2018, arXiv 1702.05043): a random rank one for G."""

from typing import Any

import torch
from torch import Tensor
from torch.func import vjp, vmap

from artbp_exp.methods.base import Claim
from artbp_exp.methods.online.online import InfluenceMethod, balance
from artbp_exp.methods.online.stepping import traced
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class UORO(InfluenceMethod):
    """Keeps s̃ and θ̃ with E[s̃ θ̃ᵀ] = G_t. With signs ν ∈ {±1}^S, drawn for each step and stream:

        s̃ ← ρ0 J_t s̃ + ρ1 ν,   θ̃ ← θ̃/ρ0 + (νᵀΦ_t)/ρ1,   ρ0 = √(‖θ̃‖/‖J_t s̃‖), ρ1 = √(‖νᵀΦ_t‖/‖ν‖)

    Any positive ρ leaves the mean as it is; these make the variance small. Time three times that of a step, memory
    S + P numbers a stream. The variance grows with the number of units and with the horizon.
    """

    claims = Claim.SIGNS

    def __init__(self, *, model: RecurrentModel, task: Task, update_every: int = 1) -> None:
        super().__init__(name="uoro", model=model, task=task, update_every=update_every)
        self.signs = self._stepping.size
        self._next = traced(vmap(self._rank_one, in_dims=(None, 0, 0, 0, 0, 0)))

    def remember(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """s̃ (B, S) and θ̃ (B, P)."""
        theta = self._stepping.theta()
        return theta.new_zeros(batch_size, self._stepping.size), theta.new_zeros(batch_size, self._stepping.count)

    def _rank_one(self, theta: Tensor, state: Tensor, inputs: Tensor, left: Tensor, right: Tensor, nu: Tensor) -> Any:
        pull = vjp(lambda t, s: self._stepping.next(t, s, inputs), theta, state)[1]
        # u ↦ uᵀJ is linear: pulled back in turn it is s̃ ↦ J s̃ (torch's forward mode warns of deprecated code)
        direct, (through,) = pull(nu)[0], vjp(lambda u: pull(u)[1], nu)[1](left)
        old, new = balance(right, through), balance(direct, nu)
        return old * through + new * nu, right / old + direct / new

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        """See `InfluenceMethod.carry_on`."""
        return self._next(theta, state, inputs, *memory, numbers)

    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        """(∂ℓ/∂s · s̃) θ̃, summed over streams."""
        left, right = memory
        return torch.einsum("bs,bs,bp->p", arrived, left, right)


build = UORO
