"""What a learner counts on its way: losses, segments, lengths."""

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(kw_only=True)
class Tally:
    """Running counts of one run.

    Attributes:
        step: steps done since the start of the run.
        loss: summed over the steps since `restart`.
        loss_steps: those steps.
        lengths: segment length in steps → how many were drawn.
        diverged: whether a segment's mean loss a step was not finite or beyond the limit.
    """

    step: int = 0
    loss: float = 0.0
    loss_steps: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    diverged: bool = False

    def add(self, loss: float, length: int, limit: float) -> None:
        """Counts a segment of `length` steps with summed loss `loss`; a mean beyond `limit` is divergence."""
        self.step += length
        self.loss += loss
        self.loss_steps += length
        self.lengths[length] += 1
        self.diverged = not math.isfinite(loss) or loss > limit * length

    def mean_loss(self) -> float:
        """Mean loss a step since the last `restart`, nan if there was no step."""
        return self.loss / self.loss_steps if self.loss_steps else math.nan

    def restart(self) -> None:
        """Starts the running loss anew."""
        self.loss, self.loss_steps = 0.0, 0

    def state_dict(self) -> dict[str, Any]:
        """Everything counted, as plain values: what a checkpoint holds."""
        return {**vars(self), "lengths": dict(self.lengths)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Counts on from what `state_dict` returned."""
        vars(self).update(state, lengths=Counter(state["lengths"]))

    @property
    def segments(self) -> int:
        """Segments so far."""
        return self.lengths.total()

    @property
    def max_length(self) -> int:
        """The longest segment so far, in steps."""
        return max(self.lengths, default=0)

    @property
    def mean_length(self) -> float:
        """Mean length of the segments so far, in steps."""
        return self.step / self.segments if self.segments else math.nan
