"""The linear system of influence balancing (Tallec & Ollivier 2017, section 6.1 of arXiv 1705.08209)."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.recurrent import RecurrentModel


class LinearSystem(RecurrentModel):
    """s' = A s + θ·(1, …, 1, −1, …, −1)ᵀ, with ½ on A's diagonal and on the diagonal above it.

    θ, a scalar, is the only parameter. The first `positive` of the `size` entries of the drive are +1. An
    effect on unit i reaches unit 1 only after i − 1 steps and more, so θ pushes the first unit one way
    soon and the other way later. The state is s, (B, size); what the loss reads is its first unit, (B,).
    """

    def __init__(self, *, size: int, positive: int, theta: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))
        half = 0.5 * torch.ones(size, dtype=torch.float64)
        drive = torch.ones(size, dtype=torch.float64)
        drive[positive:] = -1.0
        self.transition: Tensor
        self.drive: Tensor
        self.register_buffer("transition", torch.diag(half) + torch.diag(half[1:], diagonal=1))
        self.register_buffer("drive", drive)

    def init_state(self, batch_size: int) -> Tensor:
        """s = (1, …, 1), (B, size)."""
        return self.drive.new_ones(batch_size, self.drive.numel())

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step (there is no input): state (B, size) → first unit (B,), next state."""
        state = torch.addmm(self.theta * self.drive, state, self.transition.t())
        return state[:, 0], state


def build(*, theta: float = 0.5, size: int, positive: int, generator: torch.Generator) -> LinearSystem:
    """The linear system that `task` describes, from θ = `theta`. Its start is fixed: `generator` is not used.

    Raises:
        UserError: `theta` is not a number.
    """
    return LinearSystem(size=size, positive=positive, theta=checks.number("model.theta", theta))
