"""A user's loop, with a progress bar over its passes and the time that they take."""

import time
from typing import Any

from tqdm import tqdm

from artbp_exp.verification.user_loop.segment_loss import Carried, UserLoop


class TimedLoop(UserLoop):
    """A user's loop whose passes are counted and timed."""

    bar: "tqdm[Any] | None" = None
    quickest: float = float("inf")
    """Seconds of the quickest pass since it was last set."""

    def begin(self) -> Carried:
        """See `UserLoop.begin`."""
        if self.bar is not None:
            self.bar.update()
        self._began = time.perf_counter()
        return super().begin()

    def advance(self, start: int, draw: Any, carry: Carried) -> tuple[float, Carried]:
        """See `UserLoop.advance`."""
        found = super().advance(start, draw, carry)
        if start + draw.length == self.steps:
            self.quickest = min(self.quickest, time.perf_counter() - self._began)
        return found
