"""The simple recurrent network (Elman 1990)."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd.fused import RNNRecurrence, Weights
from artbp_exp.autograd.unroll import Step
from artbp_exp.models.character import CharacterModel, uniform


class RNN(CharacterModel):
    """h' = tanh(E[x] + W h + b). The state is h, (B, H).

    With a `recurrent_scale`, W begins as so many times a random orthogonal matrix, else uniform in ±1/√H.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        hidden_size: int,
        input_std: float = 1.0,
        recurrent_scale: float | None = None,
        generator: torch.Generator,
        outputs: int | None = None,
    ) -> None:
        super().__init__(
            vocabulary=vocabulary,
            hidden_size=hidden_size,
            gates=1,
            input_std=input_std,
            generator=generator,
            outputs=outputs,
        )
        self.recurrent = nn.Parameter(uniform(self.hidden_size, self.hidden_size, generator=generator))
        if recurrent_scale is not None:
            scale = checks.number("model.recurrent_scale", recurrent_scale, at_least=0)
            nn.init.orthogonal_(self.recurrent, scale, generator=generator)

    def init_state(self, batch_size: int) -> Tensor:
        """h = 0, (B, H)."""
        return self.zeros(batch_size)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step: inputs (B, H), state (B, H) → h', h'."""
        hidden = torch.tanh(torch.addmm(inputs, state, self.recurrent.t()))
        return hidden, hidden

    def recurrence(self) -> type[RNNRecurrence]:
        """The equations of the fused engine."""
        return RNNRecurrence

    def recurrent_weights(self) -> Weights:
        """What they read."""
        return Weights(inputs=self.table + self.bias, recurrent=self.recurrent)

    def blocks(self) -> Step:
        """`torch.nn.RNN`'s kernel on one-hot vectors."""
        return self.kernel(torch.rnn_tanh, self.recurrent)


build = RNN
