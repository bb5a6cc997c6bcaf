"""The gated recurrent unit (Cho et al. 2014), in torch's variant."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp.autograd.fused import GRURecurrence, Weights
from artbp_exp.autograd.unroll import Step
from artbp_exp.models.character import CharacterModel, uniform


class GRU(CharacterModel):
    """r, z = σ(E[x] + W h + b);  n = tanh(E_n[x] + b_n + r∘(W_n h + b'_n));  h' = (1 − z)∘n + z∘h.

    The gates lie in torch's order (reset, update, candidate). The state is h, (B, H).
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        hidden_size: int,
        input_std: float = 1.0,
        generator: torch.Generator,
        outputs: int | None = None,
    ) -> None:
        super().__init__(
            vocabulary=vocabulary,
            hidden_size=hidden_size,
            gates=3,
            input_std=input_std,
            generator=generator,
            outputs=outputs,
        )
        self.recurrent = nn.Parameter(uniform(3 * self.hidden_size, self.hidden_size, generator=generator))
        self.candidate_bias = nn.Parameter(torch.zeros(self.hidden_size))

    def init_state(self, batch_size: int) -> Tensor:
        """h = 0, (B, H)."""
        return self.zeros(batch_size)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: inputs (B, 3H), state (B, H) → h', h'."""
        size = self.hidden_size
        gate_input, candidate_input = inputs.split([2 * size, size], dim=1)
        recurrent = state @ self.recurrent.t()
        gate_recurrent, candidate_recurrent = recurrent.split([2 * size, size], dim=1)
        reset, update = torch.sigmoid(gate_input + gate_recurrent).chunk(2, dim=1)
        candidate = torch.tanh(candidate_input + reset * (candidate_recurrent + self.candidate_bias))
        hidden = candidate + update * (state - candidate)
        return hidden, hidden

    def recurrence(self) -> type[GRURecurrence]:
        """The equations of the fused engine."""
        return GRURecurrence

    def recurrent_weights(self) -> Weights:
        """What they read."""
        inner = nn.functional.pad(self.candidate_bias, (2 * self.hidden_size, 0))
        return Weights(inputs=self.table + self.bias, recurrent=self.recurrent, inner=inner)

    def blocks(self) -> Step:
        """`torch.nn.GRU`'s kernel on one-hot vectors."""
        inner = torch.cat([torch.zeros_like(self.bias[: 2 * self.hidden_size]), self.candidate_bias])
        return self.kernel(torch.gru, self.recurrent, inner)


build = GRU
