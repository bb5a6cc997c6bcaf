"""Kronecker-factored RTRL (Mujika, Meier & Steger 2018, arXiv 1805.10842): a random Kronecker product for G."""

from typing import Any

import torch
from torch import Tensor
from torch.func import jacrev, vmap

from artbp_exp.methods.base import Claim
from artbp_exp.methods.online.one_product import OneProduct
from artbp_exp.methods.online.online import InfluenceMethod, balance
from artbp_exp.methods.online.stepping import traced
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class KFRTRL(InfluenceMethod):
    """Keeps A (Z,) and B (S, G·H) with E[A ⊗ B] = G_t, for a cell with Φ_t = zᵀ ⊗ D_t; see `OneProduct`.

    With two signs ν0, ν1 drawn for each step and stream, and D = ∂F/∂a, z = (h, x, 1):

        A ← ν0 ρ0 A + ν1 ρ1 z,   B ← (ν0/ρ0) J B + (ν1/ρ1) D,   ρ0 = √(‖J B‖/‖A‖), ρ1 = √(‖D‖/‖z‖)

    Time O(H³) a step, memory O(H²) numbers a stream.
    """

    claims = Claim.SIGNS
    signs = 2

    def __init__(self, *, model: RecurrentModel, task: Task, update_every: int = 1) -> None:
        super().__init__(name="kf_rtrl", model=model, task=task, update_every=update_every)
        self._product = OneProduct(model, self.name)
        names = list(self._stepping.parameters)
        self._before = sum(self._stepping.parameters[name].numel() for name in names[: names.index("bias")])
        self._next = traced(vmap(self._factors, in_dims=(None, 0, 0, 0, 0, 0, 0)))

    def remember(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """A (B, Z) and B (B, S, G·H)."""
        zeros = self._stepping.theta().new_zeros
        return zeros(batch_size, self._product.size), zeros(batch_size, self._stepping.size, self._product.pre)

    def _factors(
        self, theta: Tensor, state: Tensor, inputs: Tensor, z: Tensor, left: Tensor, right: Tensor, nu: Tensor
    ) -> tuple[Tensor, Tensor]:
        before, bias, behind = theta.split(
            [self._before, self._product.pre, theta.numel() - self._before - self._product.pre]
        )

        def step(bias: Tensor, state: Tensor) -> Tensor:
            return self._stepping.next(torch.cat([before, bias, behind]), state, inputs)

        direct, jacobian = jacrev(step, argnums=(0, 1))(bias, state)  # a has the bias as a term: D = ∂s'/∂b
        through = jacobian @ right
        old, new = balance(through, left), balance(direct, z)
        return nu[0] * old * left + nu[1] * new * z, nu[0] / old * through + nu[1] / new * direct

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        """See `InfluenceMethod.carry_on`."""
        return self._next(theta, state, inputs, self._product.read(state, inputs), *memory, numbers)

    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        """A ⊗ (∂ℓ/∂s B), summed over streams."""
        left, right = memory
        return self._product.flat(torch.einsum("bz,bs,bsk->zk", left, arrived, right))


build = KFRTRL
