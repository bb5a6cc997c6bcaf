"""A forked command fails where the same program by itself would."""

from pathlib import Path

import pytest

from tests.forked import forked


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("print('hello')", 0, ""),
        ("import sys; sys.exit('no good')", 1, "no good"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("file = open('/dev/null'); file = None", 0, "ResourceWarning: unclosed file"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, ""),
    ],
)
def test_it_ends_as_a_program_does(code: str, status: int, said: str, tmp_path: Path) -> None:
    done = forked(code, folder=tmp_path)
    assert done.returncode == status
    assert said in done.stderr
    assert done.stdout == ("hello\n" if "hello" in code else "")
