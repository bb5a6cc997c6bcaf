"""What a model is to the rest of the program."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from artbp_exp.autograd.state import State

if TYPE_CHECKING:
    from artbp_exp.autograd.fused import Recurrence, Weights
    from artbp_exp.autograd.unroll import Step


class RecurrentModel(nn.Module, ABC):
    """A recurrent model: encode a segment's inputs, step through it, decode what the loss reads.

    `encode` and `decode` act on all steps of a segment at once and carry nothing from step to step; only
    `step` does. A subclass defines `init_state`, `step` and, where it has them, `encode` and `decode`.

    Attributes:
        truncate: steps between two places where `step` itself lets no gradient through; None: there are none.
        grows: whether the state grows from step to step, so that it must begin anew after a while and nothing may cut
            it before: in episodes, with a method that makes no cut within one.
    """

    truncate: int | None = None
    grows: bool = False

    @abstractmethod
    def init_state(self, batch_size: int) -> State:
        """The state before the first step, for B = `batch_size` streams: tensors of shape (B, …)."""

    def encode(self, inputs: Tensor) -> Tensor:
        """Maps a segment's inputs (n, B, …) to what `step` takes, (n, B, …)."""
        return inputs

    @abstractmethod
    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """s_t = F(x_t, s_{t−1}, θ). Returns (what `decode` reads of s_t, shape (B, …); s_t)."""

    def decode(self, outputs: Tensor) -> Tensor:
        """Maps a segment's outputs (n, B, H) to predictions (n, B, …)."""
        return outputs

    def recurrent_parameters(self) -> dict[str, nn.Parameter]:
        """What `encode` and `step` read, by name: all parameters, but for those that a model knows to be `decode`'s."""
        return dict(self.named_parameters())

    def recurrence(self) -> "type[Recurrence] | None":
        """The cell's equations for engine=fused; None if it has none. One that has them defines `recurrent_weights`."""
        return None

    def recurrent_weights(self) -> "Weights":
        """The tensors that the equations of `recurrence` read."""
        raise NotImplementedError  # asked only of a model that has a `recurrence`

    def blocks(self) -> "Step | None":
        """A ready-made kernel that runs many steps at once (engine=vendor); None if there is none.

        Called once a segment. The function maps inputs (k, B, …) and a state to outputs (k, B, H) and the last state.
        """
        return None

    def forward(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Runs over inputs (n, B, …) from `state`. Returns predictions (n, B, …) and the last state.

        No carry factors: this is for evaluation, under `torch.no_grad()`. Takes the model's faster path if it has one.
        """
        kind = self.recurrence()
        if kind is not None:
            from artbp_exp.autograd.fused import run_segment

            hidden, state = run_segment(kind, self, inputs, state)
            return self.decode(hidden), state
        outputs = []
        for row in self.encode(inputs).unbind(0):
            output, state = self.step(row, state)
            outputs.append(output)
        return self.decode(torch.stack(outputs)), state
