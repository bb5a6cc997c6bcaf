"""The run folder: what is written, what is refused, what comes back."""

import json

import pandas as pd
import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.records.folder import RunFolder
from artbp_exp.records.load import load_runs

CONFIG = {"method": {"name": "tbptt"}, "seed": 0}


def folder(path, config=CONFIG):
    return RunFolder(path, config, identity=lambda settings: {"method": settings["method"]["name"]})


def test_round_trip(tmp_path):
    run = folder(tmp_path / "run")
    assert run.finished() is None
    run.open(["step", "loss"])
    run.write_row({"step": 1, "loss": None})
    run.write_row({"step": 2, "loss": 0.1 + 0.2})
    assert (run.path / "metrics.csv").read_text() == "step,loss\n1,\n2,0.30000000000000004\n"  # flushed at once
    run.write_model({"w": torch.arange(3.0)})
    assert load_runs(tmp_path) == []
    run.close({"status": "diverged", "loss": float("nan"), "best": float("inf")}, {3: 2, 1: 5})
    (loaded,) = load_runs(tmp_path)
    assert loaded.summary == {"status": "diverged", "loss": None, "best": None}
    assert loaded.config == CONFIG
    assert loaded.metrics()["step"].tolist() == [1, 2]
    assert pd.DataFrame({"length": [1, 3], "count": [5, 2]}).equals(loaded.segments())
    assert torch.load(run.path / "model.pt", weights_only=True)["w"].tolist() == [0, 1, 2]
    assert folder(tmp_path / "run").finished() == loaded.summary
    assert not list(run.path.glob(".*")), "no temporary file is left"


def test_another_configuration_is_refused(tmp_path):
    run = folder(tmp_path / "run")
    run.open(["step"])
    with pytest.raises(UserError, match="method=tbptt there, artbp now"):
        folder(tmp_path / "run", {"method": {"name": "artbp"}}).finished()


def test_an_unfinished_run_is_kept_aside(tmp_path):
    first = folder(tmp_path)
    first.open(["step"])
    first.write_row({"step": 7})
    again = folder(tmp_path)
    assert again.finished() is None
    again.open(["step"])
    assert (tmp_path / "metrics.unfinished.csv").read_text() == "step\n7\n"


def test_a_broken_summary_is_no_result(tmp_path):
    folder(tmp_path).open(["step"])
    (tmp_path / "summary.json").write_text('{"status": "fini')
    assert folder(tmp_path).finished() is None
    assert load_runs(tmp_path) == []


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match=r"cannot write to .*file"):
        folder(tmp_path / "file" / "run").open(["step"])


def test_a_full_disk_is_one_clear_line(tmp_path):
    run = folder(tmp_path)
    run.open(["step"])
    (tmp_path / "metrics.csv").unlink()
    (tmp_path / "metrics.csv").symlink_to("/dev/full")  # Linux's stand-in for a full disk
    with pytest.raises(UserError, match="No space left"):
        run.write_row({"step": 1})


def test_summary_is_strict_json(tmp_path):
    run = folder(tmp_path)
    run.open(["step"])
    run.close({"status": "finished", "list": [1.0, float("nan")]}, {})
    text = (tmp_path / "summary.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["list"] == [1.0, None]
