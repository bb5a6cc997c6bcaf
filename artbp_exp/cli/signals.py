"""Signals ask a run to stop; it stops at a segment boundary, where nothing is lost."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = tuple(  # Windows lacks the last
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)
)
"""Ctrl-C, `kill`, and what Slurm can be told to send ahead of a time limit."""

Stop = Callable[[], int | None]
"""Asked at segment boundaries: number of a signal that the run is to obey as if it had been sent, or None."""

TOGETHER = 1.0
"""Seconds within which a second signal is the same request (a terminal's or Slurm's goes to every process)."""


class Interrupted(KeyboardInterrupt):
    """The signal `number` ended the run; `where` has further words for the user."""

    def __init__(self, number: int, where: str = "") -> None:
        super().__init__(number, where)
        self.number = number
        self.code = 128 + number
        self._where = where

    def __str__(self) -> str:
        return f"interrupted by {signal.Signals(self.number).name}{self._where}"


class Signals:
    """What was asked for since training began: `caught` is the signal that asks the run to stop, None if none does."""

    def __init__(self) -> None:
        self.caught: int | None = None
        self._when = 0.0

    def note(self, number: int, frame: FrameType | None = None) -> None:
        """Remembers a signal; a second one, from somebody who does not wait for the segment's end, acts at once."""
        if self.caught is not None and time.monotonic() - self._when > TOGETHER:
            raise Interrupted(number)
        if self.caught is None:
            self.caught, self._when = number, time.monotonic()


def raise_interrupted(number: int, frame: FrameType | None = None) -> None:
    """The handler outside of training, where there is nothing to finish."""
    raise Interrupted(number)


@contextmanager
def handled(handler: Any) -> Iterator[None]:
    """Within it, `handler(number, frame)` is called for the signals that ask to stop."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's business
        return
    before = {number: signal.signal(number, handler) for number in STOPPING}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)


def preemptible(work: Callable[[Stop], object]) -> None:
    """Runs `work`, and holds back a handler that the launcher has installed for SIGUSR2.

    submitit has SIGUSR2 sent to itself ahead of a time limit; its handler requeues the job and exits at once. Here
    the run first finishes its segment and writes a checkpoint: `work` gets the function to ask at segment boundaries
    for a signal that the run is to obey.
    """
    theirs = signal.getsignal(signal.SIGUSR2) if hasattr(signal, "SIGUSR2") else None  # Windows lacks it
    if not callable(theirs):
        work(lambda: None)
        return
    caught: list[int] = []
    signal.signal(signal.SIGUSR2, lambda number, frame: caught.append(number))
    try:
        work(lambda: caught[0] if caught else None)
    except Interrupted as stop:
        if stop.number != signal.SIGUSR2:
            raise
        theirs(signal.SIGUSR2, None)
    finally:
        signal.signal(signal.SIGUSR2, theirs)
