"""Asked to stop: checkpointed, and continued bit for bit."""

import itertools
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from artbp_exp.cli import job
from artbp_exp.cli.signals import Stop, preemptible
from artbp_exp.cli.sweep.jobs import Planned
from artbp_exp.errors import UserError
from artbp_exp.runs import checkpoint, status
from artbp_exp.runs.overwrite_guard import beginning
from tests.crash.runs import Settings, do, interrupted, left_over, result


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


def test_a_launcher_gets_its_job_back_when_the_run_is_checkpointed(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    config = settings("ptb", "run", "checkpoint.minutes=null")
    told: list[bool] = []

    def requeue(number: int, frame: object) -> None:
        told.append((tmp_path / "run" / checkpoint.NEWEST).exists())
        sys.exit(-1)

    def work(stop: Stop, *, at: int) -> None:
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


def change_recorded(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Applies `change` to the flat settings in a run's checkpoint."""
    file = folder / checkpoint.NEWEST
    state = checkpoint.decode(file.read_bytes())
    change(state["settings"])
    file.write_bytes(checkpoint.encode(state))


def test_a_run_begun_before_a_setting_existed_goes_on(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    interrupted(settings("ptb", "run"), after=9)
    recorded = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    for group, key in (("method", "every"), ("method", "memory")):
        del recorded[group][key]
    del recorded["precision"]
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(recorded, sort_keys=False))

    def older(flat: dict[str, Any]) -> None:
        for key in ("method.every", "method.memory", "precision"):
            del flat[key]

    change_recorded(tmp_path / "run", older)
    assert do(settings("ptb", "run"))["starts"] == 2
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_a_checkpoint_of_other_settings_is_refused_and_kept(settings: Settings, tmp_path: Path) -> None:
    interrupted(settings("ptb", "run"), after=9)
    change_recorded(tmp_path / "run", lambda flat: flat.update({"model.hidden_size": 6}))
    before = {path: path.read_bytes() for path in (tmp_path / "run").glob("checkpoint*")}
    with pytest.raises(UserError, match=r"model\.hidden_size=6 there, 5 now"):
        do(settings("ptb", "run"))
    assert {path: path.read_bytes() for path in before} == before
    change_recorded(tmp_path / "run", lambda flat: flat.update({"model.hidden_size": 5}))
    assert do(settings("ptb", "run"))["starts"] == 2


def test_overwrite_starts_from_the_beginning(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    interrupted(settings("ptb", "run"), after=9)
    assert do(settings("ptb", "run", "overwrite=true"))["starts"] == 1
    assert result(tmp_path / "run") == result(tmp_path / "reference")


def test_a_sweep_overwrites_a_run_once(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference"))
    do(settings("ptb", "run"))
    os.utime(tmp_path / "run" / "config.yaml", (1e9, 1e9))
    config = settings("ptb", "run", "overwrite=true")
    planned = Planned(overrides=(), config=config)
    with beginning():
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


def changed(corpus: Path, part: str, text: str) -> None:
    (corpus / f"{part}.txt").write_text(text, encoding="ascii")


@pytest.fixture
def editable(own_corpus: Path, tmp_path: Path) -> Path:
    """A copy of the corpus."""
    return Path(shutil.copytree(own_corpus, tmp_path / "corpus"))


@pytest.mark.parametrize("edit", ["half of the text", "a text of the same length", "another validation text"])
def test_a_run_does_not_go_on_with_another_text(edit: str, editable: Path, settings: Settings, tmp_path: Path) -> None:
    config = settings("ptb", "run", f"task.data_dir={editable}")
    interrupted(config, after=9)
    part = "valid" if "validation" in edit else "train"
    before = (editable / f"{part}.txt").read_text(encoding="ascii")
    changed(editable, part, before[: len(before) // 2] if "half" in edit else before[::-1])
    kept = {file: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.name != "summary.json"}
    with pytest.raises(UserError, match=rf"the text has changed since the run in \S+run began: {part}\.txt has sha256"):
        do(config)
    assert {file: file.read_bytes() for file in kept} == kept
    changed(editable, part, before)
    assert do(config)["starts"] == 2


def test_a_finished_run_of_another_text_is_not_already_finished(
    editable: Path, settings: Settings, tmp_path: Path
) -> None:
    config = settings("ptb", "run", f"task.data_dir={editable}")
    do(config)
    assert status.state(config)[0] == "finished"
    before = (editable / "train.txt").read_text(encoding="ascii")
    changed(editable, "train", before[::-1])
    with pytest.raises(UserError, match="the text has changed"):
        do(config)
    assert status.state(config)[0] == "failed"
    do(replace(config, overwrite=True))
    assert status.state(config)[0] == "finished"
    shutil.rmtree(editable)  # a finished run needs its text no more
    assert status.state(config)[0] == "finished"
    assert do(config)["status"] == "finished"
