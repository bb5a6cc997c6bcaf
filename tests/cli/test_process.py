"""The command line as a process: results, one-line errors, sweeps."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch


def artbp_run(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "artbp_exp.cli.run", *arguments], cwd=folder, capture_output=True, text=True, timeout=120
    )


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_run_leaves_its_records_and_is_not_done_twice(tmp_path):
    done = artbp_run(tmp_path, "task.steps=5000", "seed=4")
    assert (done.returncode, done.stderr) == (0, "")
    *_, result, where = done.stdout.splitlines()
    assert result.startswith("finished: loss ")
    folder = tmp_path / where
    assert {path.name for path in folder.iterdir()} == {
        "config.yaml",
        "metrics.csv",
        "segments.csv",
        "summary.json",
        "model.pt",
    }
    summary = json.loads((folder / "summary.json").read_text())
    wanted = {"status", "task", "method", "length", "seed", "loss", "theta", "theta_optimal", "command", "git_commit"}
    wanted |= {"git_dirty", "versions", "device", "threads", "wall_seconds", "peak_memory_mib"}
    assert wanted <= set(summary)
    assert summary["command"] == "artbp-run task.steps=5000 seed=4"
    metrics = pd.read_csv(folder / "metrics.csv")
    columns = ["step", "loss", "theta", "grad", "segments", "mean_length", "max_length", "seconds"]
    assert list(metrics) == columns
    assert torch.load(folder / "model.pt", weights_only=True)["theta"].item() == summary["theta"]
    before = (folder / "summary.json").read_text()
    again = artbp_run(tmp_path, "task.steps=5000", "seed=4")
    assert again.returncode == 0
    assert "already finished" in again.stdout
    assert (folder / "summary.json").read_text() == before
    other = artbp_run(tmp_path, "task.steps=6000", "seed=4", f"run_dir={where.replace('=', chr(92) + '=')}")
    assert other.returncode == 2
    assert "task.steps=5000 there, 6000 now" in other.stderr


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ("task=synthetc", "did you mean synthetic"),
        ("method=tbppt", "did you mean tbptt"),
        ("method.lenght=3", "did you mean length"),
        ("+method.lenght=3", "did you mean length"),
        ("method.length=0", "got 0"),
        ("method.length=-3", "got -3"),
        ("method.length=abc", "got 'abc'"),
        ("method.alpha=2", "got 2"),
        ("task.positive=30", "task.positive=30 is more than task.size=23"),
        ("model=lstm", "does not fit"),
        ("device=tpu", "valid: auto, cpu, cuda"),
        ("engine=fsed", "did you mean fused"),
        ("overwrite=maybe", "true or false"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(tmp_path, argument, said):
    done = artbp_run(tmp_path, argument)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert files(tmp_path) == []


def test_a_sweep_goes_on_after_a_mistake(tmp_path):
    done = artbp_run(tmp_path, "-m", "task.steps=1000", "method=tbptt,artbp", "method.length=0,10", "seed=0,1")
    assert done.returncode == 2
    assert done.stderr.count("error: method.length") == 4
    runs = [json.loads(path.read_text()) for path in tmp_path.rglob("summary.json")]
    assert {(run["method"], run["length"], run["seed"]) for run in runs} == {
        (method, 10, seed) for method in ("tbptt", "artbp") for seed in (0, 1)
    }


def test_divergence_exits_with_zero(tmp_path):
    done = artbp_run(tmp_path, "method=tbptt", "method.length=10", "optimizer.lr=0.05", "run_dir=here")
    assert done.returncode == 0
    assert done.stdout.startswith("diverged: ")
    assert json.loads((tmp_path / "here" / "summary.json").read_text())["status"] == "diverged"


def test_characters_on_a_text_of_ones_own(tmp_path, made_up):
    settings = ["task=ptb", "task.corpus=own", f"task.data_dir={made_up}", "task.epochs=1", "model.hidden_size=8"]
    done = artbp_run(tmp_path, *settings, "method=bptt", "run_dir=here")
    assert done.returncode == 0, done.stderr
    assert "valid" in done.stdout
    assert "bpc" in done.stdout
    metrics = pd.read_csv(tmp_path / "here" / "metrics.csv")
    assert metrics["valid_bpc"].notna().sum() == 1
    assert metrics["segments"].iloc[-1] == 1


def test_help_teaches(tmp_path):
    done = artbp_run(tmp_path, "--help")
    assert done.returncode == 0
    for word in ("artbp-run -m", "method: artbp, bptt, tbptt", "results_dir", "docs/method.md"):
        assert word in done.stdout
