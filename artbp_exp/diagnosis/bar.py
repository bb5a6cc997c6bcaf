"""How far a diagnosis is: a line on a terminal, with what is left; nothing where there is none."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

CLEAR = "\r\x1b[K"


class Bar:
    """Counts settings, and keeps the line below what is printed."""

    def __init__(self, total: int, *, shown: bool) -> None:
        self._total, self._shown = total, shown
        self._count, self._began = 0, time.monotonic()

    def done(self, text: str) -> None:
        """One more setting is measured: prints its line."""
        self._count += 1
        self.clear()
        print(text, flush=True)
        self.draw()

    def draw(self) -> None:
        """The line: settings done, their rate, and the time that is left if the others take as long."""
        if not self._shown or self._count == self._total:
            return
        text = f"{self._count}/{self._total} settings"
        if self._count:
            each = (time.monotonic() - self._began) / self._count
            text += f", {each:.1f} s each, {clock(each * (self._total - self._count))} left"
        sys.stderr.write(CLEAR + text)
        sys.stderr.flush()

    def clear(self) -> None:
        """Takes the line away."""
        if self._shown:
            sys.stderr.write(CLEAR)
            sys.stderr.flush()


@contextmanager
def bar(total: int) -> Iterator[Bar]:
    """Within it, a line on the terminal tells how far the measuring is."""
    found = Bar(total, shown=sys.stderr.isatty())
    found.draw()
    try:
        yield found
    finally:
        found.clear()


def clock(seconds: float) -> str:
    """0:07, 12:30, 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
