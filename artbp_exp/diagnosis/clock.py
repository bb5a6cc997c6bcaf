"""The time that a diagnosis may take."""

import time
from collections.abc import Callable


class Clock:
    """A deadline `budget` seconds from now; None sets no limit."""

    def __init__(self, budget: float | None) -> None:
        self._end = float("inf") if budget is None else time.perf_counter() + budget

    @property
    def left(self) -> float:
        """Seconds."""
        return self._end - time.perf_counter()

    def share(self, of: float) -> Callable[[], bool]:
        """Whether this share of the time that is left now is over."""
        end = time.perf_counter() + of * self.left
        return lambda: time.perf_counter() >= end

    def affords(self, wanted: int, seconds: float, *, least: int, of: float = 1.0) -> int:
        """How many of `wanted` things fit into a share of the time left, at least `least`; all take `seconds`."""
        return min(wanted, max(least, int(wanted * min(of * self.left / seconds, 1.0))))
