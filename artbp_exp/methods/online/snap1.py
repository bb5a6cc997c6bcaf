"""SnAp-1 (Menick et al. 2020, arXiv 2006.07232): only the influences that a parameter has within one step."""

from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd import leaves, map_state
from artbp_exp.methods.base import Claim, Loss, Method
from artbp_exp.methods.online.one_product import OneProduct
from artbp_exp.methods.online.online import InfluenceMethod
from artbp_exp.methods.online.rtrl import RTRL
from artbp_exp.models.linear import LinearSystem
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class SnAp1(InfluenceMethod):
    """A weight of unit i moves, within one step, only the numbers l of unit i, h_i or (h_i, c_i); all else is dropped.

    For a cell with one matrix product, a = W z, whose unit i reads no more than its own pre-activations and numbers:

        g_l ← D_l z + Σ_m J_lm g_m,   D_l = ∂l_i/∂a_i,   J_lm = ∂l_i/∂m_i of one step,   gradient ∂ℓ_t/∂h_i g_h

    Biased, without noise; exact where J_t has no entries from unit to unit. Time and memory as one step of BPTT.
    """

    claims = Claim.BIASED

    def __init__(self, *, model: RecurrentModel, task: Task, update_every: int = 1) -> None:
        super().__init__(name="snap1", model=model, task=task, update_every=update_every)
        self._product = OneProduct(model, self.name)
        self._leaves = self._stepping.size // self._product.hidden

    def remember(self, batch_size: int) -> Tensor:
        """g, (B, Z, L, G, H): for each weight, how it moves the L numbers of its unit."""
        shape = batch_size, self._product.size, self._leaves, -1, self._product.hidden
        return (
            self._stepping.theta()
            .new_zeros(batch_size, self._product.size, self._leaves * self._product.pre)
            .view(shape)
        )

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        """g after a step; see `InfluenceMethod.carry_on`."""
        pre = self._model.encode(inputs[None])[0].detach().requires_grad_()
        before = map_state(lambda leaf: leaf.detach().requires_grad_(), self._stepping.nested(state))
        inner = [pre, *leaves(before)]
        # the sum over units: its gradient at unit i is that of unit i's own number, but for what passes through W h
        sums = [leaf.sum() for leaf in leaves(self._model.step(pre, before)[1])]
        found = [torch.autograd.grad(one, inner, retain_graph=True) for one in sums]
        weights = self._product.recurrent.detach()
        own = weights.view(-1, *weights.shape[1:] * 2).diagonal(dim1=1, dim2=2)
        direct = torch.stack([one[0] for one in found], 1)
        through = torch.stack([torch.stack(one[1:], 1) for one in found], 1)
        gates = direct.unflatten(2, own.shape)
        through[:, :, 0] += (gates * own).sum(2) - direct @ weights
        z = self._product.read(state, inputs)[:, :, None, None, None]
        return torch.einsum("blmi,bzmgi->bzlgi", through, memory) + z * gates[:, None]

    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        """∂ℓ_t/∂h g_h, summed over streams, for ∂ℓ_t/∂h (B, H)."""
        return self._product.flat(torch.einsum("bi,bzgi->zgi", arrived, memory[:, :, 0]).flatten(1))

    def step(self, theta: Tensor, inputs: Tensor, targets: Tensor, loss: Loss, carry: Any, signs: Any) -> Any:
        """See `InfluenceMethod.step`. Here it is the memory *after* the step that the loss reads."""
        state, memory = carry
        memory = self.carry_on(theta, self._stepping.flat(state), inputs[0], memory, signs)
        with torch.no_grad():
            output, after = self._model.step(self._model.encode(inputs)[0], state)
        read = output.detach().requires_grad_()
        value = loss(self._model.decode(read[None]), targets)
        if value.requires_grad:
            value.backward()
            assert read.grad is not None
            self._stepping.add(self.earlier(read.grad, memory))
        return value.item(), (after, memory)


def build(*, update_every: int = 1, model: RecurrentModel, task: Task) -> Method:
    """SnAp-1, with an update every `update_every` steps; see `SnAp1`.

    In influence balancing the one parameter moves every unit within a step: nothing is dropped, it is RTRL.
    """
    if isinstance(model, LinearSystem):
        return RTRL(name="snap1", model=model, task=task, update_every=update_every)
    return SnAp1(model=model, task=task, update_every=update_every)
