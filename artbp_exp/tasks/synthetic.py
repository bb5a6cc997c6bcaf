"""Influence balancing: short-term and long-term effects of one parameter pull opposite ways."""

import math
from typing import Any

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Levels, Progress


class Synthetic:
    """ℓ_t = ½ (s_t[1] − 1)² on the first unit of the linear system (Tallec & Ollivier 2017, section 6.1).

    The stationary first unit is 2(2p − n)θ, so the best θ is θ* = 1 / (2(2p − n)): −1/6 for the paper's case.
    """

    name = "synthetic"
    passes = 1
    batch_size = 1
    carry_state = True
    dtype = torch.float64
    levels: Levels | None = None
    columns = ("step", "loss", "theta", "grad", "segments", "mean_length", "max_length", "seconds")

    def __init__(self, *, size: int, positive: int, steps: int, divergence: float) -> None:
        self.steps = self.episode = steps
        self.divergence = divergence
        self.shapes: dict[str, Any] = {"size": size, "positive": positive}
        self.data_sha256: dict[str, str] = {}
        drive = 2 * positive - size
        self.theta_optimal = 1 / (2 * drive) if drive else None
        self._device = torch.device("cpu")

    def place(self, device: torch.device) -> None:
        """There is no data to move; windows are made on `device`."""
        self._device = device

    def begin_pass(self, rng: Any) -> None:
        """Nothing is drawn: the system has no input."""

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Empty inputs (n, 1, 0) and targets 1, (n, 1)."""
        n = stop - start
        return (
            torch.empty(n, 1, 0, dtype=self.dtype, device=self._device),
            torch.ones(n, 1, dtype=self.dtype, device=self._device),
        )

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Σ_t ½ (s_t[1] − 1)², averaged over streams: predictions and targets (n, B) → scalar."""
        return 0.5 * (predictions - targets).square().sum(0).mean()

    def marks(self) -> list[int]:
        """Ten steps a decade and a hundred regular ones: enough for both a log and a linear axis."""
        decades = math.log10(self.steps)
        log = {round(10 ** (k / 10)) for k in range(int(10 * decades) + 1)}
        regular = {round(self.steps * k / 100) for k in range(1, 101)}
        return sorted(log | regular | {self.steps})

    def row(self, progress: Progress, model: RecurrentModel) -> dict[str, Any]:
        """θ, and the gradient of the segment that ended last (summed over its steps; clipped, if that is asked for)."""
        theta = model.get_parameter("theta")
        return {
            "step": progress.step,
            "loss": progress.loss,
            "theta": theta.item(),
            "grad": None if theta.grad is None else theta.grad.item(),
            **progress.counts(),
            "seconds": progress.seconds,
        }

    def score(self, row: dict[str, Any]) -> float | None:
        """Nothing is selected: the final parameters are the result."""
        return None

    def summary(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Final loss (since the row before), final θ and θ*."""
        last = rows[-1]
        return {
            "loss": last["loss"],
            "theta": last["theta"],
            "theta_optimal": self.theta_optimal,
            "steps": last["step"],
        }

    def headline(self, summary: dict[str, Any]) -> str:
        """loss, θ, θ*."""
        text = f"loss {summary['loss']:.3g}, theta {summary['theta']:.6g}"
        if self.theta_optimal is not None:
            text += f" (optimal {self.theta_optimal:.6g}, off by {abs(summary['theta'] - self.theta_optimal):.2g})"
        return text


def build(*, size: int = 23, positive: int = 10, steps: int = 1_000_000, divergence: float = 1e17) -> Synthetic:
    """Influence balancing on `size` units, `positive` of them driven upwards.

    Args:
        size: n, units.
        positive: p, plus signs in the drive, 0 … n.
        steps: T, steps of the one pass.
        divergence: a mean loss a step beyond this ends the run as diverged. Far out by default: at η = 10⁻²
            truncated BPTT with L = 200 passes 7·10¹⁶ before η/√(1 + t) calms it down, and then converges.

    Raises:
        UserError: a value out of range.
    """
    size = checks.whole("task.size", size, at_least=1)
    positive = checks.whole("task.positive", positive)
    if positive > size:
        raise UserError(f"task.positive={positive} is more than task.size={size}: at most all signs are plus")
    return Synthetic(
        size=size,
        positive=positive,
        steps=checks.whole("task.steps", steps, at_least=1),
        divergence=checks.number("task.divergence", divergence, above=0),
    )
