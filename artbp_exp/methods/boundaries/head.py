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
from artbp_exp.tasks.base import Task


class Head(Boundary):
    """y = W₂ tanh(W₁ s + w₁) + w₂ with W₂ = 0 and w₂ = 0 at first; s all leaves of the state side by side.

    With `context=input`, s holds the next input as well, as the model encodes it. y has `outputs` numbers; None is one
    for each number of the state.
    """

    def __init__(
        self,
        *,
        name: str,
        model: RecurrentModel,
        task: Task,
        outputs: int | None,
        hidden_size: int,
        context: str,
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
        self.context = checks.choice("boundary.context", context, ["none", "input"]) == "input"
        more = model.encode(task.window(0, 1)[0]).flatten(2).shape[2] if self.context else 0
        checks.in_memory("boundary.hidden_size", hidden_size, hidden_size * (size + more + outputs))
        self.enter = nn.Parameter(uniform(hidden_size, size + more, generator=generator))
        self.enter_bias = nn.Parameter(torch.zeros(hidden_size))
        self.leave = nn.Parameter(torch.zeros(outputs, hidden_size))
        self.leave_bias = nn.Parameter(torch.zeros(outputs))

    def hidden(self, place: Any) -> Tensor:
        """tanh(W₁ s + w₁), (R, hidden): leaves (R, …)."""
        flat = torch.cat([leaf.flatten(1) for leaf in floating(place)], 1).to(self.enter.dtype)
        return torch.tanh(nn.functional.linear(flat, self.enter, self.enter_bias))

    def forward(self, place: Any) -> Tensor:
        """y, (R, outputs)."""
        return nn.functional.linear(self.hidden(place), self.leave, self.leave_bias)

    def parts(self, flat: Tensor) -> list[Tensor]:
        """(R, numbers of the state, and perhaps more) → a tensor in the shape of each leaf of the state."""
        sizes = [shape.numel() for shape in self._shapes]
        pieces = flat[:, : sum(sizes)].split(sizes, 1)
        return [piece.view(-1, *shape) for piece, shape in zip(pieces, self._shapes, strict=True)]
