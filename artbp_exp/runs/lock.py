"""One process a run folder."""

import errno
import fcntl
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from artbp_exp.errors import UserError

NAME = "run.lock"
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)


class FolderLock:
    """Held by the process that writes a run folder, and gone with it however it ends: the system keeps it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME
        self._descriptor: int | None = None

    def acquire(self, *, patience: float = 1.0) -> None:
        """Takes the lock.

        Args:
            patience: seconds to wait for a process that is just leaving.

        Raises:
            UserError: another process holds it, or the file system has no locks.
            OSError: the folder cannot be written.
        """
        until = time.monotonic() + patience
        while self._descriptor is None:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # the holder removes the file on leaving: what is locked must still be the file that is there
                if _same(descriptor, self._path):
                    os.ftruncate(descriptor, 0)
                    os.write(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode())
                    self._descriptor = descriptor
                    return
                os.close(descriptor)
            except BlockingIOError:
                holder = os.read(descriptor, 200).decode(errors="replace")
                os.close(descriptor)
                if time.monotonic() >= until:
                    raise UserError(
                        f"{self._path.parent} is in use by {holder or 'another process'}; wait for it to end, "
                        f"or choose another run_dir"
                    ) from None
                time.sleep(0.05)
            except OSError as error:
                os.close(descriptor)
                if error.errno in NO_LOCKS:
                    with suppress(OSError):
                        self._path.unlink(missing_ok=True)
                    raise UserError(
                        f"{self._path.parent} lies on a file system without file locks ({error.strerror}); "
                        f"choose a results_dir on one that has them"
                    ) from error
                raise

    def release(self) -> None:
        """Gives the lock back and removes its file."""
        if self._descriptor is not None:
            with suppress(OSError):  # what counts is the lock, not the file
                self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def held(folder: Path) -> bool:
    """Whether a process, this one included, holds the folder's lock."""
    try:
        descriptor = os.open(folder / NAME, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # shared: two that only look must not take each other for the holder
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False  # no locks here: then nobody holds one
    finally:
        os.close(descriptor)
    return False


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
