"""Damaged, half-written or unreadable files: refused or written anew, and never used."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.runs import checkpoint
from tests.crash.runs import Settings, do, interrupted, left_over, result


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
        torch.save({"format": checkpoint.FORMAT, "state": {}}, tmp_path / "run" / name)
    interrupted(config, after=2)
    assert "or not a checkpoint" in capsys.readouterr().err
    assert {path.suffix for path in (tmp_path / "run").glob("checkpoint*")} == {".pt", ".damaged"}
    do(config)
    assert result(tmp_path / "run") == result(tmp_path / "reference")
    assert not left_over(tmp_path / "run")


def test_a_checkpoint_of_another_configuration_is_not_used(settings: Settings, tmp_path: Path) -> None:
    do(settings("ptb", "reference", "seed=1"))
    interrupted(settings("ptb", "run"), after=9)
    kept = (tmp_path / "run" / checkpoint.NEWEST).read_bytes()
    with pytest.raises(UserError, match="another configuration"):
        do(settings("ptb", "run", "seed=1"))
    interrupted(settings("ptb", "run", "seed=1", "overwrite=true"), after=1)
    (tmp_path / "run" / checkpoint.NEWEST).write_bytes(kept)
    with pytest.raises(UserError, match="belongs to a run with other settings"):
        do(settings("ptb", "run", "seed=1"))
    assert (tmp_path / "run" / checkpoint.NEWEST).read_bytes() == kept
    do(settings("ptb", "run", "seed=1", "overwrite=true"))
    assert result(tmp_path / "run") == result(tmp_path / "reference")
