"""The time that a diagnosis may take, and how it is going."""

import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from artbp_exp.verification.user_loop.segment_loss import Carried, UserLoop


class Clock:
    """A deadline, and a progress bar over passes with an estimate of what is left.

    Args:
        budget: seconds; None sets no limit.
    """

    def __init__(self, budget: float | None) -> None:
        self._end = float("inf") if budget is None else time.perf_counter() + budget
        # the bar is for a terminal only
        self.bar: tqdm[Any] = tqdm(total=0, unit=" passes", leave=False, disable=not sys.stderr.isatty())

    def expect(self, passes: float) -> None:
        """So many passes are still to come."""
        self.bar.total = self.bar.n + round(passes)
        self.bar.refresh()

    @property
    def left(self) -> float:
        """Seconds."""
        return self._end - time.perf_counter()

    def share(self, of: float) -> Callable[[], bool]:
        """Whether this share of the time that is left now is over."""
        end = time.perf_counter() + of * self.left
        return lambda: time.perf_counter() >= end


class TimedLoop(UserLoop):
    """A user's loop whose passes are counted and timed."""

    clock: Clock | None = None
    quickest: float = float("inf")
    """Seconds of the quickest pass since it was last set."""

    def begin(self) -> Carried:
        """See `UserLoop.begin`."""
        if self.clock is not None:
            self.clock.bar.update()
        self._began = time.perf_counter()
        return super().begin()

    def advance(self, start: int, draw: Any, carry: Carried) -> tuple[float, Carried]:
        """See `UserLoop.advance`."""
        found = super().advance(start, draw, carry)
        if start + draw.length == self.steps:
            self.quickest = min(self.quickest, time.perf_counter() - self._began)
        return found
