"""Two processes, or somebody else, in one run folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from artbp_exp.errors import UserError
from artbp_exp.runs import lock
from artbp_exp.training import experiment
from tests.crash.runs import Settings, do, left_over


def test_the_second_process_on_a_folder_says_so_and_leaves(settings: Settings, tmp_path: Path) -> None:
    config = settings("synthetic", "run")
    holder = lock.FolderLock(tmp_path / "run")
    (tmp_path / "run").mkdir()
    holder.acquire()
    command = [sys.executable, "-m", "artbp_exp.cli.run", "task=synthetic", "task.steps=10", "run_dir=run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: run is in use by process {os.getpid()} on ")
    assert {path.name for path in (tmp_path / "run").iterdir()} == {lock.NAME}
    holder.release()
    do(config)
    assert not left_over(tmp_path / "run")


def test_a_lock_is_waited_for_while_its_holder_leaves(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run").mkdir()
    holder = lock.FolderLock(tmp_path / "run")
    holder.acquire()
    # it leaves while the other waits: no clock is asked, so that a busy machine changes nothing
    monkeypatch.setattr("artbp_exp.runs.lock.time.sleep", lambda seconds: holder.release())
    do(settings("synthetic", "run"))


def test_a_run_that_another_process_did_meanwhile_is_not_done_again(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is not there yet when both look; the other one is done before this one has built its model."""
    real = experiment.Experiment

    def slowly(config: dict[str, Any]) -> experiment.Experiment:
        monkeypatch.setattr(experiment, "Experiment", real)
        do(settings("synthetic", "run"))
        return real(config)

    monkeypatch.setattr(experiment, "Experiment", slowly)
    with pytest.raises(UserError, match=r"another configuration \(seed=0 there, 1 now\)"):
        do(settings("synthetic", "run", "seed=1"))
    monkeypatch.setattr(experiment, "Experiment", slowly)
    before = (tmp_path / "run" / "summary.json").read_bytes()
    do(settings("synthetic", "run"))
    assert (tmp_path / "run" / "summary.json").read_bytes() == before
    assert not left_over(tmp_path / "run")


def test_a_link_planted_for_the_tracker_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "run" / "tensorboard").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="tensorboard is a link"):
        do(settings("synthetic", "run", "logger=tensorboard"))
    assert not list((tmp_path / "outside").iterdir())
