"""Signals end a run where nothing is lost."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from artbp_exp.cli import signals
from artbp_exp.cli.signals import Interrupted, Signals
from artbp_exp.cli.sweep.isolate import isolated

LONG = ("task=synthetic", "task.steps=100000000", "checkpoint.minutes=null")


def start(folder: Path, *overrides: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "artbp_exp.cli.run", *overrides],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(condition, seconds: float = 90.0):
    until = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)
    return found


def rows(folder: Path) -> int:
    metrics = folder / "metrics.csv"
    return metrics.read_text().count("\n") - 1 if metrics.exists() else 0


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGUSR1", 138)])
def test_a_signal_checkpoints_and_ends_the_run(name: str, code: int, tmp_path: Path) -> None:
    process = start(tmp_path, *LONG, "run_dir=run")
    wait_for(lambda: rows(tmp_path / "run") > 5)
    process.send_signal(getattr(signal, name))
    _, errors = process.communicate(timeout=600)
    assert process.returncode == code
    assert f"interrupted by {name} at step " in errors
    assert "Traceback" not in errors
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    assert summary["steps"] > 0
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *("config.yaml", "metrics.csv", "summary.json", "checkpoint.pt"),
    }


def test_a_second_signal_is_obeyed_at_once_and_one_at_the_same_time_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caught = Signals()
    caught.note(signal.SIGTERM)
    caught.note(signal.SIGINT)
    assert caught.caught == signal.SIGTERM
    monkeypatch.setattr(signals, "TOGETHER", -1.0)
    with pytest.raises(Interrupted) as stop:
        caught.note(signal.SIGINT)
    assert stop.value.code == 130


def test_a_signal_just_after_the_job_of_a_sweep_has_ended_stops_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = os.waitpid

    def waitpid(child: int, options: int) -> tuple[int, int]:
        ended = wait(child, options)
        os.kill(os.getpid(), signal.SIGTERM)
        return ended

    monkeypatch.setattr(os, "waitpid", waitpid)
    with pytest.raises(Interrupted) as stop:
        isolated(lambda orphaned: None)
    assert stop.value.number == signal.SIGTERM
