"""The Penn Treebank runs of `results/ptb_tier1`, and what every comparison on Penn Treebank reads of a run."""

from collections.abc import Mapping
from math import ceil
from pathlib import Path
from typing import Any

from artbp_exp.runs.load import Run, load_all
from artbp_exp.runs.validation import damaged

METHODS = {"artbp": "ARTBP", "tbptt": "truncated BPTT", "random": "random cuts, not reweighted"}
STATES = {True: "carried", False: "reset at cuts"}
SHARE = 4
"""The end point is the mean over the last epoch in this many, rounded up."""

RECIPE = "ptb_tier1"
"""Name of the recipe, and of the folder of its runs."""

ROUNDING = "ptb_rounding"
"""Folder of runs that differ from those of `RECIPE` in rounding only: each counts as one more replicate."""

EPOCHS = 10
MODEL = "LSTM, 256 units"
TITLE = f"{MODEL}, {EPOCHS} epochs"
SETTINGS = {"model.name": "lstm", "model.hidden_size": 256, "task.epochs": EPOCHS, "optimizer.lr": 1e-3}
"""Of these runs; one with other settings is another experiment and is left out."""

METHOD = {"length": 50, "every": 1}
"""What every method of the comparison has; ARTBP and its ablation also have `ARTBP`."""

ARTBP = {"schedule": "paper", "alpha": 4}

Arm = tuple[str, bool]
"""Method of `METHODS`, or `phase`, and whether the state is carried."""

Arms = dict[Arm, dict[int, Run]]
"""Arm → seed → run."""


def arms(folder: Path, settings: Mapping[str, Any] = SETTINGS) -> Arms:
    """The runs in a folder, ended or not, that have `settings` and the comparison's lengths and schedule."""
    found: Arms = {}
    for run in load_all(folder):
        method = run.config["method"]
        wanted = METHOD | (ARTBP if method["name"] == "artbp" else {})
        own = all(method.get(key, value) == value for key, value in wanted.items())
        if not own or any(_setting(run, key) != value for key, value in settings.items()):
            continue
        kind = "random" if not method.get("reweight", True) else method["name"]
        kind = "phase" if method.get("phase") == "random" else kind  # truncated BPTT, its cuts elsewhere each epoch
        key = (kind, bool(run.config["task"]["carry_state"]))
        found.setdefault(key, {})[run.config["seed"]] = run
    return found


def _setting(run: Run, key: str) -> Any:
    group, name = key.split(".")
    return run.config[group].get(name)


def late(epochs: int) -> int:
    """How many epochs at the end the end point is a mean of."""
    return ceil(epochs / SHARE)


def end_point(run: Run) -> float:
    """Mean of the validation bits per character (bpc) over the last quarter of the epochs of a finished run.

    Raises:
        UserError: its table lacks one of them.
    """
    levels, epochs = run.at_epochs("valid_bpc"), int(run.config["task"]["epochs"])
    wanted = range(epochs - late(epochs) + 1, epochs + 1)
    for epoch in wanted:
        if epoch not in levels.index:
            damaged(run.path / "metrics.csv", f"has no valid_bpc at the end of epoch {epoch}, though the run finished")
    return float(levels.loc[list(wanted)].mean())


def end_points(runs: Mapping[int, Run]) -> dict[int, float]:
    """Seed, ascending → end point, of the runs that finished."""
    return {seed: end_point(run) for seed, run in sorted(runs.items()) if finished(run)}


def best_test(run: Run) -> float:
    """Test bpc of a finished run, at its epoch with the best validation bpc.

    Raises:
        UserError: its folder does not have it.
    """
    value: float | None = run.summary["test_bpc"]
    if value is None:
        damaged(run.path / "summary.json", "has no test_bpc, though the run finished")
    return value


def finished(run: Run) -> bool:
    """Whether it came to its end; a run that diverged did not, however good an epoch before that was."""
    return run.summary.get("status") == "finished"


def diverged(run: Run) -> bool:
    """Whether it ended so."""
    return run.summary.get("status") == "diverged"
