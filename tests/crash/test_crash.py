"""Killed, out of disk, damaged: the rest of the run comes out as if nothing had happened."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from artbp_exp import experiment
from artbp_exp.cli import job, once
from artbp_exp.cli.plan import Planned
from artbp_exp.cli.preempted import preemptible
from artbp_exp.cli.signals import Interrupted
from artbp_exp.errors import UserError
from artbp_exp.records import checkpoint, lock, provenance
from tests.conftest import ROOT
from tests.crash.faults import Faults, disk_full
from tests.crash.runs import Settings, do, left_over, result, short


@pytest.fixture(autouse=True)
def without_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking git takes longer than these runs."""
    monkeypatch.setattr(provenance, "_git", lambda folder: {"git_commit": None, "git_dirty": None})


@pytest.fixture
def settings(hydra_ready: None, own_corpus: Path, tmp_path: Path) -> Settings:
    """`settings("ptb", "name", …)`: a short run in the folder `name`."""
    return lambda task, name, *overrides: short(task, tmp_path / name, own_corpus, *overrides)


def interrupted(config: dict[str, Any], *, after: int) -> None:
    """Stops a run at its `after`-th segment boundary (from 1)."""
    asked = iter([None] * (after - 1) + [15] * 1000)
    with pytest.raises(Interrupted):
        do(config, stop=partial(next, asked))


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
    count = int(done.stdout.split()[0])
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


def complaint(config: dict[str, Any]) -> list[str]:
    try:
        do(config)
    except UserError as error:
        return str(error).splitlines()
    return []


def few(task: str) -> list[str]:
    return ["task.epochs=2", "task.rows_per_epoch=1"] if task == "ptb" else ["task.steps=3"]


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "empty":
        content = bytearray()
    elif how == "bit":
        content[len(content) // 2] ^= 1
    elif how == "last bit":
        content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["truncated", "empty", "bit", "last bit"])
@pytest.mark.parametrize("both", [False, True])
def test_a_damaged_checkpoint_is_refused_and_the_one_before_used(
    how: str, both: bool, settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run", "checkpoint.minutes=0")
    interrupted(config, after=9)
    damage(tmp_path / "run" / checkpoint.NEWEST, how)
    if both:
        damage(tmp_path / "run" / checkpoint.PREVIOUS, how)
    capsys.readouterr()
    do(config)
    warnings = capsys.readouterr().err.splitlines()
    assert len(warnings) == 1 + both
    assert "checkpoint.pt is refused" in warnings[0]
    assert "the one before it is used" in warnings[0]
    if both:
        assert "checkpoint.previous.pt is refused" in warnings[1]
        assert "the run starts from the beginning" in warnings[1]
    assert result(tmp_path / "run") == result(tmp_path / "reference")
    assert not left_over(tmp_path / "run")


@pytest.mark.parametrize("tail", ["9,0.3", "9,0.3,1,2,3,4,5,6\n10", "\0\0\0"])
def test_a_half_written_line_goes(tail: str, settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run")
    interrupted(config, after=9)
    with (tmp_path / "run" / "metrics.csv").open("a", encoding="utf-8") as file:
        file.write(tail)
    do(config)
    assert result(tmp_path / "run") == result(tmp_path / "reference")


@pytest.mark.parametrize("keep", [None, 0, 20])
def test_metrics_that_were_cut_short_are_written_anew(keep: int | None, settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run")
    interrupted(config, after=20)
    metrics = tmp_path / "run" / "metrics.csv"
    if keep is None:
        metrics.unlink()
    else:
        os.truncate(metrics, keep)
    do(config)
    assert result(tmp_path / "run") == result(tmp_path / "reference")


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
    monkeypatch.setattr("artbp_exp.records.lock.time.sleep", lambda seconds: holder.release())
    do(settings("synthetic", "run"))


@pytest.mark.parametrize("jump", [-1e9, 1e9])
def test_a_clock_that_jumps_changes_nothing(
    jump: float, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(settings("ptb", "reference"))
    saves: list[int] = []
    save = checkpoint.save
    monkeypatch.setattr(checkpoint, "save", lambda *arguments: (saves.append(1), save(*arguments)))
    clock = iter(range(10**9))
    monkeypatch.setattr(time, "time", lambda: 1e9 + jump * (next(clock) % 2))
    do(settings("ptb", "run", "checkpoint.minutes=1"))
    assert result(tmp_path / "run") == result(tmp_path / "reference")
    assert len(saves) == 2  # at the ends of all passes but the last
    assert 0 < json.loads((tmp_path / "run" / "summary.json").read_text())["wall_seconds"] < 60


@pytest.mark.parametrize("minutes", ["0", "null"])
@pytest.mark.parametrize("task", ["synthetic", "ptb"])
def test_interrupted_over_and_over(task: str, minutes: str, settings: Settings, tmp_path: Path) -> None:
    do(settings(task, "reference"))
    config = settings(task, "run", f"checkpoint.minutes={minutes}")
    for after in (1, 1, 2, 3):
        interrupted(config, after=after)
        summary = json.loads((tmp_path / "run" / "summary.json").read_text())
        assert summary["status"] == "interrupted"
        assert summary["reason"].startswith("interrupted by SIGTERM at step ")
    assert do(config)["starts"] == 5
    assert result(tmp_path / "run") == result(tmp_path / "reference")
    assert not left_over(tmp_path / "run")


def test_overwrite_starts_from_the_beginning(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    interrupted(settings("ptb", "run"), after=9)
    assert do(settings("ptb", "run", "overwrite=true"))["starts"] == 1
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_a_checkpoint_of_another_configuration_is_not_used(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference", "seed=1"))
    interrupted(settings("ptb", "run"), after=9)
    kept = (tmp_path / "run" / checkpoint.NEWEST).read_bytes()
    with pytest.raises(UserError, match="another configuration"):
        do(settings("ptb", "run", "seed=1"))
    interrupted(settings("ptb", "run", "seed=1", "overwrite=true"), after=1)
    (tmp_path / "run" / checkpoint.NEWEST).write_bytes(kept)
    do(settings("ptb", "run", "seed=1"))
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_other_software_or_hardware_is_warned_of(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    interrupted(settings("ptb", "run"), after=9)
    before = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: before + 7)
    do(settings("ptb", "run"))
    (line,) = capsys.readouterr().err.splitlines()
    assert f"was begun with threads {before} and goes on with {before + 7}" in line


def test_a_bug_leaves_its_reason_and_is_not_hidden(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(job.Job, "_save", lambda self: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            do(settings("ptb", "run"))
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["status"], summary["reason"]) == ("failed", "ZeroDivisionError: division by zero")
    assert do(settings("ptb", "run"))["status"] == "finished"


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), MemoryError()])
def test_a_checkpoint_that_cannot_be_read_now_is_left_for_later(
    error: Exception, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run", "checkpoint.minutes=0")
    interrupted(config, after=9)

    read = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if path.name == checkpoint.NEWEST:
            raise error
        return read(path)

    def load(*arguments: Any, **more: Any) -> Any:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*((torch, "load", load) if isinstance(error, MemoryError) else (Path, "read_bytes", read_bytes)))
        with pytest.raises(UserError, match="nothing was touched"):
            do(config)
    assert do(config)["starts"] == 2
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_a_checkpoint_of_something_else_is_refused_and_kept_until_the_run_is_done(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run")
    interrupted(config, after=2)
    for name in (checkpoint.NEWEST, checkpoint.PREVIOUS):
        (tmp_path / "run" / name).write_bytes(checkpoint.encode({}))
    interrupted(config, after=2)
    assert "is refused: it has no run" in capsys.readouterr().err
    assert {path.suffix for path in (tmp_path / "run").glob("checkpoint*")} == {".pt", ".damaged"}
    do(config)
    assert result(tmp_path / "run") == result(tmp_path / "reference")
    assert not left_over(tmp_path / "run")


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


def test_a_launcher_gets_its_job_back_when_the_run_is_checkpointed(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run", "checkpoint.minutes=null")
    told: list[bool] = []

    def requeue(number: int, frame: object) -> None:
        told.append((tmp_path / "run" / checkpoint.NEWEST).exists())
        sys.exit(-1)

    def work(stop: job.Stop, *, at: int) -> None:
        boundaries = itertools.count(1)

        def asked() -> int | None:
            if next(boundaries) == at:
                os.kill(os.getpid(), signal.SIGUSR2)
            return stop()

        do(config, in_sweep=True, stop=asked)

    before = signal.signal(signal.SIGUSR2, requeue)
    try:
        with pytest.raises(SystemExit):
            preemptible(partial(work, at=9))
        assert told == [True]
        preemptible(partial(work, at=-1))
        assert signal.getsignal(signal.SIGUSR2) is requeue
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert told == [True]
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["starts"] == 2
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_a_sweep_overwrites_a_run_once(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    do(settings("ptb", "run"))
    os.utime(tmp_path / "run" / "config.yaml", (1e9, 1e9))
    config = settings("ptb", "run", "overwrite=true")
    planned = Planned(overrides=(), settings=config)
    with once.beginning():
        assert planned.state() == ("waiting", "to be done anew")
        interrupted(config, after=9)
        assert planned.state()[0] == "interrupted"
        assert do(config)["starts"] == 2
        assert planned.state()[0] == "finished"
        before = (tmp_path / "run" / "summary.json").read_bytes()
        do(config)
        assert (tmp_path / "run" / "summary.json").read_bytes() == before
    assert planned.state()[0] == "waiting"  # another sweep would do it again
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_a_link_planted_for_the_tracker_is_refused(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "run" / "tensorboard").symlink_to(tmp_path / "outside")
    with pytest.raises(UserError, match="tensorboard is a link"):
        do(settings("synthetic", "run", "logger=tensorboard"))
    assert not list((tmp_path / "outside").iterdir())
