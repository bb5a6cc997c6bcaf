"""Killed or out of disk at any instant: the rest of the run comes out as if nothing had happened."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.runs import lock
from tests.conftest import ROOT
from tests.crash.faults import Faults, disk_full
from tests.crash.runs import Settings, do, left_over, result


@pytest.mark.parametrize("what", [("random", "30"), ("operation",)], ids=["30 random instants", "every operation"])
def test_killed_at(what: tuple[str, ...], tmp_path: Path, own_corpus: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.killer", str(tmp_path), str(own_corpus), *what],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    count = int(done.stdout.splitlines()[-1].split()[0])
    assert count == 30 if what[0] == "random" else count > 30


@pytest.mark.parametrize("task", ["synthetic", "ptb"])
def test_a_full_disk_at_every_operation(task: str, settings: Settings, tmp_path: Path) -> None:
    do(settings(task, "reference", "checkpoint.minutes=null", *few(task)))
    at = 0
    while True:
        at += 1 if task == "synthetic" else 3  # characters take longer
        config = settings(task, f"run{at}", "checkpoint.minutes=null", *few(task))
        faults = Faults(at, disk_full)
        with faults.installed():
            lines = complaint(config)
        if faults.count < at:
            break
        # the failing operation may be one whose failure hurts nobody
        assert not lines or "No space left on device; free the disk" in lines[0]
        assert len(lines) <= 1
        assert not lock.held(tmp_path / f"run{at}")
        do(config)
        assert result(tmp_path / f"run{at}") == result(tmp_path / "reference")
        assert not left_over(tmp_path / f"run{at}")
    assert at > 10


def complaint(config: RunConfig) -> list[str]:
    try:
        do(config)
    except UserError as error:
        return str(error).splitlines()
    return []


def few(task: str) -> list[str]:
    return ["task.epochs=2", "task.rows_per_epoch=1"] if task == "ptb" else ["task.steps=3"]


def test_rows_are_on_disk_before_the_summary_says_so(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    real = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda file: (flushed.append(Path(f"/proc/self/fd/{file}").readlink().name), real(file))
    )
    do(settings("synthetic", "run", "checkpoint.minutes=null"))
    assert flushed.index("metrics.csv") < flushed.index(".summary.json.partial")
