"""The run folder: what is written comes back, and what cannot be written is said in one line."""

import csv
import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.folder import RunFolder
from artbp_exp.runs.identity import differences, run_folder
from artbp_exp.runs.load import load_runs

CONFIG: dict[str, Any] = {
    "task": {"name": "synthetic", "steps": 10, "suggest": {"lr": 1}},
    "method": {"name": "artbp", "length": 16},
    "model": {"name": "linear"},
    "optimizer": {"name": "sgd"},
    "seed": 0,
    "device": "cpu",
    "threads": None,
}
COLUMNS = ("step", "loss", "theta")


def make(path: Path, **changes: Any) -> RunFolder:
    return RunFolder(RunConfig.of(CONFIG | {"run_dir": str(path)} | changes))


def complete(path: Path, status: str = "finished", **changes: Any) -> RunFolder:
    folder = make(path, **changes)
    folder.open(COLUMNS, {})
    folder.write_row({"step": 1, "loss": 0.1, "theta": None})
    folder.write_model({"theta": torch.tensor(1 / 3, dtype=torch.float64)})
    folder.close({"status": status, "loss": math.nan, "nested": {"x": [math.inf, 1.5]}}, {3: 2, 1: 5})
    return folder


@contextmanager
def full_disk() -> Iterator[None]:
    """No file may grow: what a full disk does, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_everything_written_comes_back(tmp_path: Path) -> None:
    complete(tmp_path / "deep" / "run")
    (run,) = load_runs(tmp_path)
    assert run.path == tmp_path / "deep" / "run"
    assert run.config == RunConfig.of(CONFIG | {"run_dir": str(run.path)}).plain()
    assert run.summary["status"] == "finished"
    assert run.metrics()["loss"].tolist() == [0.1]
    assert math.isnan(run.metrics()["theta"][0])
    assert run.segments().to_dict("list") == {"length": [1, 3], "count": [5, 2]}
    assert {p.name for p in run.path.iterdir()} == {
        "config.yaml",
        "metrics.csv",
        "segments.csv",
        "summary.json",
        "model.pt",
    }


def test_none_is_an_empty_cell_and_floats_keep_every_digit(tmp_path: Path) -> None:
    folder = make(tmp_path)
    folder.open(COLUMNS, {})
    folder.write_row({"step": 7, "loss": 0.1 + 0.2, "theta": None})
    with (tmp_path / "metrics.csv").open(encoding="utf-8") as file:
        assert list(csv.reader(file)) == [list(COLUMNS), ["7", "0.30000000000000004", ""]]
    folder.close({}, {})


def test_rows_are_on_disk_before_the_run_ends(tmp_path: Path) -> None:
    folder = make(tmp_path)
    folder.open(COLUMNS, {})
    for step in range(3):
        folder.write_row({"step": step, "loss": 1.0, "theta": 1.0})
        assert len((tmp_path / "metrics.csv").read_text().splitlines()) == step + 2
    folder.close({}, {})


def test_json_has_null_where_there_is_no_finite_number(tmp_path: Path) -> None:
    complete(tmp_path)

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    found = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"), parse_constant=refuse)
    assert found["loss"] is None
    assert found["nested"] == {"x": [None, 1.5]}


def test_the_model_loads_without_trusting_the_file(tmp_path: Path) -> None:
    complete(tmp_path)
    assert torch.load(tmp_path / "model.pt", weights_only=True)["theta"].item() == 1 / 3


@pytest.mark.parametrize("status", ["finished", "diverged"])
def test_a_run_with_its_result_is_not_to_be_done_again(tmp_path: Path, status: str) -> None:
    assert make(tmp_path).finished() is None
    complete(tmp_path, status)
    done = make(tmp_path).finished()
    assert done is not None
    assert done["status"] == status


def test_where_and_how_it_runs_is_no_other_configuration(tmp_path: Path) -> None:
    complete(tmp_path)
    assert make(tmp_path, device="cuda", threads=2).finished() is not None


@pytest.mark.parametrize("finished", [True, False])
def test_another_configuration_is_refused_and_told_apart_by_its_keys(tmp_path: Path, finished: bool) -> None:
    if finished:
        complete(tmp_path)
    else:
        make(tmp_path).open(COLUMNS, {})
    other = make(tmp_path, seed=1, method={"name": "artbp", "length": 50})
    with pytest.raises(UserError, match="another configuration") as caught:
        other.finished()
    assert "seed=0 there, 1 now" in str(caught.value)
    assert "method.length=16 there, 50 now" in str(caught.value)
    assert "task" not in str(caught.value)


def test_metrics_of_an_unfinished_run_are_kept(tmp_path: Path) -> None:
    first = make(tmp_path)
    first.open(COLUMNS, {})
    first.write_row({"step": 1, "loss": 2.5, "theta": 0.5})
    again = make(tmp_path)
    assert again.finished() is None
    again.open(COLUMNS, {})
    assert "2.5" in (tmp_path / "metrics.unfinished.csv").read_text()
    assert "2.5" not in (tmp_path / "metrics.csv").read_text()


def test_doing_a_run_again_leaves_nothing_of_the_old_result(tmp_path: Path) -> None:
    complete(tmp_path)
    make(tmp_path).open(COLUMNS, {})
    assert not any((tmp_path / name).exists() for name in ("summary.json", "model.pt", "segments.csv"))


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"status": "running"}'])
def test_a_broken_summary_is_no_result(tmp_path: Path, content: str) -> None:
    complete(tmp_path)
    (tmp_path / "summary.json").write_text(content)
    assert make(tmp_path).finished() is None


def test_a_configuration_that_is_no_yaml_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("a: [")
    with pytest.raises(UserError, match="cannot be read as plain YAML"):
        make(tmp_path).finished()


def test_a_folder_below_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write to \S+run"):
        make(tmp_path / "file" / "run").open(COLUMNS, {})


def test_a_full_disk_is_said_in_one_line_and_leaves_no_half_files(tmp_path: Path) -> None:
    with full_disk(), pytest.raises(UserError, match="cannot write to"):
        make(tmp_path / "new").open(COLUMNS, {})
    folder = make(tmp_path / "begun")
    folder.open(COLUMNS, {})
    with full_disk(), pytest.raises(UserError, match="cannot write to"):
        folder.write_model({"theta": torch.ones(10)})
    with full_disk(), pytest.raises(UserError, match="cannot write to"):
        folder.close({"status": "finished"}, {1: 1})
    assert not list(tmp_path.rglob("*.partial"))
    assert not (tmp_path / "begun" / "summary.json").exists()


def test_the_configuration_is_readable_yaml_in_its_own_order(tmp_path: Path) -> None:
    make(tmp_path).open(COLUMNS, {})
    assert list(yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8")))[:2] == ["model", "optimizer"]


def test_differences_name_what_only_one_has() -> None:
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == {"b": (2, None), "c": (None, 3)}


def test_a_setting_that_came_later_does_not_rename_a_folder() -> None:
    changes = {"results_dir": "r", "model": {"name": "rnn", "recurrent_scale": None}}
    assert run_folder(RunConfig.of(CONFIG | changes)) == run_folder(
        RunConfig.of(CONFIG | changes | {"model": {"name": "rnn"}})
    )
