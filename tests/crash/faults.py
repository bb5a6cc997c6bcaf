"""Makes the n-th operation on a file fail, or be the last thing the process does."""

import errno
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

real_open = Path.open


class Faults:
    """Counts operations that change the disk; `strike` is called instead of the `at`-th (from 1; 0: never).

    Writes of whole files are struck in the middle: half of the content is there.
    """

    def __init__(self, at: int, strike: Callable[[], None]) -> None:
        self.count, self._at, self._strike = 0, at, strike

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def operation(*arguments: Any, **named: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                if real.__name__ in ("write_bytes", "write_text"):
                    path, content = arguments
                    half = content[: len(content) // 2]
                    with real_open(path, "wb") as file:
                        file.write(half if isinstance(half, bytes) else half.encode())
                self._strike()
            return real(*arguments, **named)

        return operation

    @contextmanager
    def installed(self) -> Iterator["Faults"]:
        def opened(path: Path, mode: str = "r", **named: Any) -> Any:
            if set(mode) & set("aw+"):
                self.count += 1
                if self.count == self._at:
                    if "a" in mode:
                        with real_open(path, "a") as file:
                            file.write("7,0.3")  # half of a line
                    self._strike()
            return real_open(path, mode, **named)

        names = ["replace", "unlink", "write_bytes", "write_text", "mkdir"]
        patches = [mock.patch.object(Path, name, self._counted(getattr(Path, name))) for name in names]
        patches += [mock.patch.object(os, name, self._counted(getattr(os, name))) for name in ("fsync", "truncate")]
        patches += [mock.patch.object(Path, "open", opened)]
        for patch in patches:
            patch.start()
        try:
            yield self
        finally:
            for patch in patches:
                patch.stop()


def disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
