"""The textbook LSTM (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd.fused import LSTMRecurrence, Weights
from artbp_exp.autograd.unroll import Step
from artbp_exp.models.character import CharacterModel, uniform


class LSTM(CharacterModel):
    """i, f, g, o = E[x] + W h + b;  c' = σ(f)∘c + σ(i)∘tanh(g);  h' = σ(o)∘tanh(c').

    The gates lie in torch's order (input, forget, candidate, output), so `nn.LSTM` takes the same numbers.
    The state is (h, c), each (B, H).
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        hidden_size: int,
        forget_bias: float = 2.0,
        input_std: float = 1.0,
        generator: torch.Generator,
        outputs: int | None = None,
    ) -> None:
        super().__init__(
            vocabulary=vocabulary,
            hidden_size=hidden_size,
            gates=4,
            input_std=input_std,
            generator=generator,
            outputs=outputs,
        )
        self.recurrent = nn.Parameter(uniform(4 * self.hidden_size, self.hidden_size, generator=generator))
        with torch.no_grad():
            self.bias[self.hidden_size : 2 * self.hidden_size] = checks.number("model.forget_bias", forget_bias)

    def init_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """(h, c) = 0, each (B, H)."""
        return self.zeros(batch_size), self.zeros(batch_size)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: inputs (B, 4H), state (h, c) each (B, H) → h', (h', c')."""
        hidden, cell = state
        gates = torch.addmm(inputs, hidden, self.recurrent.t())
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(candidate)
        hidden = torch.sigmoid(leave) * torch.tanh(cell)
        return hidden, (hidden, cell)

    def recurrence(self) -> type[LSTMRecurrence]:
        """The equations of the fused engine."""
        return LSTMRecurrence

    def recurrent_weights(self) -> Weights:
        """What they read."""
        return Weights(inputs=self.table + self.bias, recurrent=self.recurrent)

    def blocks(self) -> Step:
        """`torch.nn.LSTM`'s kernel on one-hot vectors."""
        return self.kernel(torch.lstm, self.recurrent)


build = LSTM
