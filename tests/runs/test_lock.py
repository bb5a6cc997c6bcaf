"""The lock on file systems that have none, and observers that only look."""

import errno
import fcntl
from pathlib import Path
from typing import Any

import pytest

from artbp_exp.errors import UserError
from artbp_exp.runs import lock


def test_a_file_system_without_locks_is_said_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported(*arguments: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with pytest.raises(UserError, match="file system without file locks"):
        lock.FolderLock(tmp_path).acquire()
    assert not list(tmp_path.iterdir())
    (tmp_path / lock.NAME).touch()
    assert not lock.held(tmp_path)


def test_two_that_look_do_not_see_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / lock.NAME).touch()
    with (tmp_path / lock.NAME).open("rb+") as other:
        flags: list[int] = []
        real = fcntl.flock
        monkeypatch.setattr(fcntl, "flock", lambda file, flag: (flags.append(flag), real(file, flag)))
        assert not lock.held(tmp_path)
        real(other, flags[0])  # another one is looking at this very moment
        assert not lock.held(tmp_path)
        real(other, fcntl.LOCK_EX)
        assert lock.held(tmp_path)
