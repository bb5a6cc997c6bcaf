import importlib
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from artbp_exp.cli.errors import explained, one_line
from artbp_exp.errors import UserError
from tests.conftest import ROOT
from tests.forked import forked


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


REPORTS = {
    "run": ["--dry-run", "method=tbptt"],
    "verify": ["verify.steps=4", "verify.draws=0"],
    "diagnose": ["diagnose.out=out"],
    "figures": ["--results", str(ROOT / "results"), "--out", "out", "phase_diagram"],
    "collect": [str(ROOT / "results" / "ptb_rounding"), "--out", "out.csv"],
}
SMALL = ["task.steps=50", "task.size=4", "task.positive=1"]


def printing(output: str, command: str, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A command whose standard output or standard error is another."""
    code = f"import os; {output}; from artbp_exp.cli.{command} import main; main()"
    return forked(code, *arguments, folder=folder)


@pytest.mark.parametrize(("command", "arguments"), [("run", ["--help"]), *REPORTS.items()])
def test_a_report_that_is_read_no_further_ends_quietly(command: str, arguments: list[str], tmp_path: Path) -> None:
    unread = "read, write = os.pipe(); os.close(read); os.dup2(write, 1)"
    done = printing(unread, command, *arguments, folder=tmp_path)
    assert (done.stderr, done.returncode) == ("", -signal.SIGPIPE)


@pytest.mark.parametrize(
    ("command", "arguments", "written"),
    [
        ("run", ["--help"], None),
        ("collect", ["--help"], None),
        ("collect", REPORTS["collect"], "out.csv"),
        ("run", [*SMALL, "run_dir=run"], "run/summary.json"),
        ("run", ["-m", *SMALL, "run_dir=run"], "run/summary.json"),
        ("verify", ["task=synthetic", "verify.steps=4", "verify.draws=0", "verify.csv=out.csv"], "out.csv"),
    ],
)
def test_a_full_disk_behind_the_output_is_one_line_and_nothing_computed_is_lost(
    command: str, arguments: list[str], written: str | None, tmp_path: Path
) -> None:
    done = printing("os.dup2(os.open('/dev/full', os.O_WRONLY), 1)", command, *arguments, folder=tmp_path)
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cannot write to standard output: No space left on device; print elsewhere")
    assert done.returncode == 2
    assert written is None or (tmp_path / written).is_file()


@pytest.mark.parametrize(("length", "code"), [(8, 0), (0, 2)])
def test_the_exit_code_is_right_where_no_error_can_be_printed(length: int, code: int, tmp_path: Path) -> None:
    full = "os.dup2(os.open('/dev/full', os.O_WRONLY), 2)"
    done = printing(full, "run", *SMALL, "run_dir=run", f"method.length={length}", folder=tmp_path)
    assert done.returncode == code
    assert done.stdout.startswith("finished") is (code == 0)


def test_a_closed_output_is_no_output(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "artbp_exp.cli.collect", *REPORTS["collect"]]
    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *line], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out.csv").is_file()
