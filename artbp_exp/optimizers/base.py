"""An optimiser of torch with a learning-rate schedule in steps and optional clipping."""

from collections.abc import Callable
from typing import Any

import torch


class Updater:
    """Applies one update a segment.

    Args:
        optimizer: any `torch.optim` optimiser; its learning rates are the base rates.
        rate: step of the run t → multiplier of the base learning rates.
        clip: largest norm of the whole gradient; None never clips. Clipping biases the gradient.
        plain: the update is θ ← θ − η_t·gradient and keeps no state, so `plain_rate` and `clipped` say it all.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        rate: Callable[[int], float] | None = None,
        clip: float | None = None,
        plain: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.plain = plain
        self.rate = rate
        self.clip = clip
        self._base = [group["lr"] for group in optimizer.param_groups]

    def update(self, step: int, length: int) -> None:
        """Updates the parameters from their `.grad`, the gradient of `length` steps, `step` steps into the run."""
        if self.clip is not None:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        if self.rate is not None:
            multiplier = self.rate(step)
            for group, base in zip(self.optimizer.param_groups, self._base, strict=True):
                group["lr"] = base * multiplier
        self.optimizer.step()

    def clipped(self, gradient: float) -> float:
        """The gradient of a single parameter as `update` applies it."""
        # the small number as in torch's clip_grad_norm_
        return gradient if self.clip is None else gradient * min(1.0, self.clip / (abs(gradient) + 1e-6))

    def plain_rate(self, step: int) -> float:
        """η_t, `step` steps into the run."""
        return float(self._base[0]) * (1.0 if self.rate is None else self.rate(step))

    def clear(self) -> None:
        """Forgets the gradient before the next segment."""
        self.optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """What the optimiser remembers from update to update; the schedule is a function of the step alone."""
        return self.optimizer.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        self.optimizer.load_state_dict(state)
