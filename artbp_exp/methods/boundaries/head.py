"""The network that boundaries share: one hidden layer on the state, zero before it has learnt anything."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd.state import floating
from artbp_exp.errors import UserError
from artbp_exp.methods.base import Boundary
from artbp_exp.models.character import uniform
from artbp_exp.recurrent import RecurrentModel


class Head(Boundary):
    """y = W₂ tanh(W₁ s + w₁) + w₂ with W₂ = 0 and w₂ = 0 at first; s all leaves of the state side by side.

    Args:
        name: of the boundary.
        model: whose state it reads.
        outputs: size of y; None: one for each number of the state.
        hidden_size: of the hidden layer.
        lr: learning rate of its Adam.
        generator: the stream of initial weights.

    Raises:
        UserError: a value out of range, or the model's state grows.
    """

    def __init__(
        self,
        *,
        name: str,
        model: RecurrentModel,
        outputs: int | None,
        hidden_size: int,
        lr: float,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.name, self.lr = name, checks.number("boundary.lr", lr, above=0)
        if model.grows:
            raise UserError(f"boundary={name} reads a state that keeps its size, and this model's grows; take none")
        hidden_size = checks.whole("boundary.hidden_size", hidden_size, at_least=1)
        self._shapes = [leaf.shape[1:] for leaf in floating(model.init_state(1))]
        size = sum(shape.numel() for shape in self._shapes)
        outputs = size if outputs is None else outputs
        checks.in_memory("boundary.hidden_size", hidden_size, hidden_size * (size + outputs))
        self.enter = nn.Parameter(uniform(hidden_size, size, generator=generator))
        self.enter_bias = nn.Parameter(torch.zeros(hidden_size))
        self.leave = nn.Parameter(torch.zeros(outputs, hidden_size))
        self.leave_bias = nn.Parameter(torch.zeros(outputs))

    def hidden(self, state: Any) -> Tensor:
        """tanh(W₁ s + w₁), (R, hidden): `state` has leaves (R, …)."""
        flat = torch.cat([leaf.flatten(1) for leaf in floating(state)], 1).to(self.enter.dtype)
        return torch.tanh(nn.functional.linear(flat, self.enter, self.enter_bias))

    def forward(self, state: Any) -> Tensor:
        """y, (R, outputs)."""
        return nn.functional.linear(self.hidden(state), self.leave, self.leave_bias)

    def parts(self, flat: Tensor) -> list[Tensor]:
        """(R, numbers of the state) → a tensor in the shape of each leaf."""
        pieces = flat.split([shape.numel() for shape in self._shapes], 1)
        return [piece.view(-1, *shape) for piece, shape in zip(pieces, self._shapes, strict=True)]
