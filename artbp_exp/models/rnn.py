"""The simple recurrent network (Elman 1990)."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.models.character import CharacterModel, uniform


class RNN(CharacterModel):
    """h' = tanh(E[x] + W h + b). The state is h, (B, H)."""

    def __init__(self, *, vocabulary: int, hidden_size: int, input_std: float, generator: torch.Generator) -> None:
        super().__init__(
            vocabulary=vocabulary,
            hidden_size=hidden_size,
            gates=1,
            input_std=input_std,
            generator=generator,
        )
        self.recurrent = nn.Parameter(uniform(hidden_size, hidden_size, generator=generator))

    def init_state(self, batch_size: int) -> Tensor:
        """h = 0, (B, H)."""
        return self.zeros(batch_size)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: inputs (B, H), state (B, H) → h', h'."""
        hidden = torch.tanh(torch.addmm(inputs, state, self.recurrent.t()))
        return hidden, hidden


def build(
    *,
    hidden_size: int,
    input_std: float = 1.0,
    vocabulary: int,
    generator: torch.Generator,
) -> RNN:
    """A simple recurrent network of `hidden_size` units; see `RNN` for the equation.

    Raises:
        UserError: `hidden_size` is not a whole number ≥ 1, or `input_std` is not a number ≥ 0.
    """
    return RNN(
        vocabulary=vocabulary,
        hidden_size=checks.whole("model.hidden_size", hidden_size, at_least=1),
        input_std=checks.number("model.input_std", input_std, at_least=0),
        generator=generator,
    )
