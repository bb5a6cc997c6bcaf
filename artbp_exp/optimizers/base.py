"""An optimiser of torch with a learning-rate schedule in steps of data and optional clipping."""

from typing import Any

import torch

from artbp_exp.optimizers.length_aware import Adam
from artbp_exp.optimizers.schedule import Rate


class Updater:
    """Applies one update a segment.

    Args:
        optimizer: any `torch.optim` optimiser; its learning rates are the base rates.
        rate: multiplier of the base rates, at the middle of the segment; None is 1.
        decay: a further multiplier, at the end of the segment; None is 1.
        clip: largest norm of the whole gradient; None never clips. Clipping biases the gradient.
        reference: L, in steps: the learning rate of a segment of N steps is multiplied by N/L. None does not.
        plain: the update is θ ← θ − η_t·gradient and keeps no state, so `plain_rate` and `clipped` say it all.

    Attributes:
        beside: a second optimiser, of other parameters, that makes a step at each update as it is: unscheduled and
            unclipped. None: there is none.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        *,
        rate: Rate | None = None,
        decay: Rate | None = None,
        clip: float | None = None,
        reference: float | None = None,
        plain: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self.beside: torch.optim.Optimizer | None = None
        self.plain = plain
        self.clip = clip
        self._rate, self._decay, self._reference = rate, decay, reference
        self._base = [group["lr"] for group in optimizer.param_groups]

    def update(self, step: int, length: int) -> None:
        """Updates from `.grad`, that of a segment of `length` steps which ends `step` steps into the run."""
        if self.clip is not None:
            parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(parameters, self.clip)
        multiplier = self._multiplier(step, length)
        for group, base in zip(self.optimizer.param_groups, self._base, strict=True):
            group["lr"] = base * multiplier
        if isinstance(self.optimizer, Adam):
            self.optimizer.step(length=length)
        else:
            self.optimizer.step()
        if self.beside is not None:
            self.beside.step()

    def clipped(self, gradient: float) -> float:
        """The gradient of a single parameter as `update` applies it."""
        # the small number as in torch's clip_grad_norm_
        return gradient if self.clip is None else gradient * min(1.0, self.clip / (abs(gradient) + 1e-6))

    def plain_rate(self, step: int, length: int) -> float:
        """η_t of the segment of `length` steps that ends `step` steps into the run."""
        return float(self._base[0]) * self._multiplier(step, length)

    def _multiplier(self, step: int, length: int) -> float:
        # the mean of a linear schedule over a segment is its value in the middle
        multiplier = 1.0 if self._rate is None else self._rate(step - length / 2)
        if self._decay is not None:
            multiplier *= self._decay(step)
        if self._reference is not None:
            multiplier *= length / self._reference
        return multiplier

    def clear(self) -> None:
        """Forgets the gradient before the next segment."""
        self.optimizer.zero_grad(set_to_none=True)
        if self.beside is not None:
            self.beside.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """What the optimisers remember from update to update; the schedule is a function of the step alone."""
        own = self.optimizer.state_dict()
        return own if self.beside is None else own | {"beside": self.beside.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned."""
        self.optimizer.load_state_dict({key: value for key, value in state.items() if key != "beside"})
        if self.beside is not None:
            self.beside.load_state_dict(state["beside"])
