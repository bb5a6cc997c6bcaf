import importlib
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artbp_exp.cli.errors import explained, one_line
from artbp_exp.errors import UserError
from tests.conftest import ROOT


def test_a_mistake_ends_the_program_with_one_line_and_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, explained():
        raise UserError("first\n  second")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "error: first second\n"


def test_an_interruption_ends_it_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, explained():
        raise KeyboardInterrupt
    assert caught.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), explained():
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("command", "option", "said"),
    [("run", "--hlep", "did you mean --help"), ("run", "--dryrun", "--dry-run"), ("verify", "-x", "valid: --cfg")],
)
def test_a_mistyped_option_is_one_line(
    command: str, option: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [f"artbp-{command}", option])
    with pytest.raises(SystemExit) as caught:
        importlib.import_module(f"artbp_exp.cli.{command}").main()
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {option} is not an option; ")
    assert said in error
    assert error.count("\n") == 1


def test_a_user_error_survives_the_way_back_from_a_worker() -> None:
    error = pickle.loads(pickle.dumps(UserError("what was wrong")))
    assert isinstance(error, UserError)
    assert one_line(error) == "what was wrong"


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("run", ["--help"]),
        ("run", ["--dry-run", "method=tbptt"]),
        ("verify", ["task=synthetic"]),
        ("diagnose", ["task=synthetic", "diagnose.out=out"]),
        ("figures", ["--results", str(ROOT / "results"), "--out", "out", "phase_diagram"]),
        ("collect", [str(ROOT / "results" / "ptb_rounding"), "--out", "out.csv"]),
    ],
)
def test_a_report_that_is_read_no_further_ends_quietly(command: str, arguments: list[str], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        line = [sys.executable, "-m", f"artbp_exp.cli.{command}", *arguments]
        done = subprocess.run(line, cwd=tmp_path, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == -signal.SIGPIPE
