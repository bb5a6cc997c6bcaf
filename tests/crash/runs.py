"""Short runs for the crash tests, and what it means that two of them came out the same."""

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch

from artbp_exp.cli import config as conf
from artbp_exp.cli.job import run
from artbp_exp.cli.signals import Interrupted
from artbp_exp.run_config import RunConfig

TIMES = ("seconds", "symbols_per_second")
# when, where and in how many pieces it was run
CIRCUMSTANCES = ("wall_seconds", "peak_memory_mib", "starts", "command")


def short(task: str, run_dir: Path, corpus: Path, *overrides: str) -> RunConfig:
    """Configuration of a run that takes a fraction of a second; inside an initialised Hydra."""
    characters = ["task.corpus=own", f"task.data_dir={corpus}", "task.epochs=3", "task.batch_size=32"]
    usual = {
        "synthetic": ["task.steps=20000", "method.length=8"],
        "ptb": [*characters, "task.rows_per_epoch=3", "model.hidden_size=5", "optimizer.lr=0.01", "method.length=20"],
    }
    chosen = [f"task={task}", "threads=1", f"run_dir={run_dir}", *usual[task], *overrides]
    return conf.run_config(hydra.compose(conf.NAME, overrides=chosen))


def do(config: RunConfig, **how: Any) -> dict[str, Any]:
    return run(config, command="test", **how)


def result(folder: Path) -> dict[str, Any]:
    """Everything a run left that does not tell when or where it was run."""
    with (folder / "metrics.csv").open(encoding="utf-8", newline="") as file:
        rows = [{k: v for k, v in row.items() if k not in TIMES} for row in csv.DictReader(file)]
    summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    model = torch.load(folder / "model.pt", weights_only=True)
    return {
        "rows": rows,
        "summary": {k: v for k, v in summary.items() if k not in CIRCUMSTANCES},
        "segments": (folder / "segments.csv").read_text(encoding="utf-8"),
        "model": {name: (str(tensor.dtype), tensor.tolist()) for name, tensor in model.items()},
    }


def left_over(folder: Path) -> set[str]:
    """Files that a finished run should not have; metrics of a first part without a checkpoint are kept on purpose."""
    usual = {"config.yaml", "metrics.csv", "segments.csv", "summary.json", "model.pt", "metrics.unfinished.csv"}
    return {path.name for path in folder.iterdir()} - usual


Settings = Callable[..., RunConfig]


def interrupted(config: RunConfig, *, after: int) -> None:
    """Stops a run at its `after`-th segment boundary (from 1)."""
    asked = iter([None] * (after - 1) + [15] * 1000)
    with pytest.raises(Interrupted):
        do(config, stop=partial(next, asked))
