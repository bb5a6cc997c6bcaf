"""The cell of the paper's own code (github.com/ctallec/bigart), which is not the textbook LSTM."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd.fused import AuthorsRecurrence, Weights
from artbp_exp.models.character import CharacterModel, uniform


class AuthorsCell(CharacterModel):
    """m = E_m[x] + W_m h + b_m;  every gate and the candidate read E_g[x] + W_g m + b_g.

    c' = σ(f)∘c + σ(i)∘ĥ (the candidate ĥ has no tanh);  h' = tanh(σ(o)∘c'). The tables and biases hold m's
    part first, then the gates' in the order input, forget, candidate, output. The state is (h, c), each (B, H).
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
            gates=5,
            input_std=input_std,
            generator=generator,
            outputs=outputs,
        )
        self.mixing = nn.Parameter(uniform(self.hidden_size, self.hidden_size, generator=generator))
        self.gating = nn.Parameter(uniform(4 * self.hidden_size, self.hidden_size, generator=generator))
        with torch.no_grad():
            self.bias[2 * self.hidden_size : 3 * self.hidden_size] = checks.number("model.forget_bias", forget_bias)

    def init_state(self, batch_size: int) -> tuple[Tensor, Tensor]:
        """(h, c) = 0, each (B, H)."""
        return self.zeros(batch_size), self.zeros(batch_size)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: inputs (B, 5H), state (h, c) each (B, H) → h', (h', c')."""
        hidden, cell = state
        mixed_input, gate_input = inputs.split([self.hidden_size, 4 * self.hidden_size], dim=1)
        mixed = torch.addmm(mixed_input, hidden, self.mixing.t())
        gates = torch.addmm(gate_input, mixed, self.gating.t())
        enter, forget, candidate, leave = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * candidate
        hidden = torch.tanh(torch.sigmoid(leave) * cell)
        return hidden, (hidden, cell)

    def recurrence(self) -> type[AuthorsRecurrence]:
        """The equations of the fused engine."""
        return AuthorsRecurrence

    def recurrent_weights(self) -> Weights:
        """What they read."""
        return Weights(inputs=self.table + self.bias, recurrent=self.gating, mixing=self.mixing)


build = AuthorsCell
