"""One process for each run folder."""

import errno
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

from artbp_exp.errors import UserError

NAME = "run.lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class FolderLock:
    """Held by the process that writes a run folder. The operating system releases it when that process ends."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._lock = _lock(self._path)

    def acquire(self, *, patience: float = 1.0) -> None:
        """Takes the lock; waits `patience` seconds for a process that is about to leave.

        A lock that another process holds, and a file system without locks, are UserErrors.
        """
        until = time.monotonic() + patience
        while not self._lock.is_locked:
            try:
                self._lock.acquire(timeout=0)
            except Timeout:
                if time.monotonic() >= until:
                    raise UserError(
                        f"{self._path.parent} is in use by {_holder(self._path) or 'another process'}; "
                        f"wait for it to end, or choose another run_dir"
                    ) from None
                time.sleep(0.05)
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    raise
                with suppress(OSError):
                    self._path.unlink(missing_ok=True)
                raise UserError(
                    f"{self._path.parent} is on a file system without file locks ({error.strerror}); "
                    f"choose a results_dir on a file system with locks"
                ) from error
            else:
                self._sign()

    def release(self) -> None:
        """Releases the lock and removes its file."""
        if self._lock.is_locked:
            with suppress(OSError):  # the lock counts, not the file
                self._path.unlink(missing_ok=True)
            self._lock.release()

    def _sign(self) -> None:
        """Writes who holds the lock, for those who wait."""
        if isinstance(self._lock, SoftFileLock):
            return  # where there are no native locks, the file's content is the lock
        with (
            suppress(OSError),  # on Windows nobody can write to a locked file
            open(self._path, "w", encoding="utf-8", opener=_no_link) as file,
        ):
            file.write(f"process {os.getpid()} on {socket.gethostname()}")


def held(folder: Path) -> bool:
    """Returns whether a process, this one included, holds the folder's lock."""
    path = folder / NAME
    if path.is_symlink() or not path.is_file():
        return False
    try:
        import fcntl
    except ModuleNotFoundError:  # Windows
        return _taken(path)
    try:
        with path.open("rb") as file:
            # a shared lock: two processes that only look do not take each other for the holder
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # gone by now, or no locks here: then nobody holds it
    return False


def _lock(path: Path) -> BaseFileLock:
    return FileLock(path, mode=0o644, fallback_to_soft=False)


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0))


def _taken(path: Path) -> bool:
    lock = _lock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200]
    except OSError:
        return ""
