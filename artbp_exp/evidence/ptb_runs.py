"""The Penn Treebank runs that the report compares, from `results/ptb_tier1` and `results/ptb_tier2_*`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from artbp_exp.evidence.recipe import recipe
from artbp_exp.runs.load import Run, load_all
from artbp_exp.runs.validation import damaged

METHODS = {"artbp": "ARTBP", "tbptt": "truncated BPTT", "random": "random cuts, not reweighted"}
STATES = {True: "carried", False: "reset at cuts"}
SHARE = 4
"""The end point is the mean over the last epoch in this many, rounded up."""

ROUNDING = "ptb_rounding"
"""Folder of runs of the first tier that differ from its own in rounding only: each counts as one more replicate."""

METHOD = {"length": 50, "every": 1}
"""What every method of the comparison has; ARTBP and its ablation also have `ARTBP`."""

ARTBP = {"schedule": "paper", "alpha": 4}

Arm = tuple[str, bool]
"""Method of `METHODS`, or `phase`, and whether the state is carried."""

Arms = dict[Arm, dict[int, Run]]
"""Arm → seed → run."""


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A family of runs.

    Attributes:
        name: of the recipe, and of the folder in the results.
        title: in words.
        carried: values of `task.carry_state` wanted.
        methods: wanted, of `METHODS`.
        settings: that a run of this family has; a run with others is another experiment and is left out.
    """

    name: str
    title: str
    carried: tuple[bool, ...]
    methods: tuple[str, ...]
    settings: Mapping[str, Any]

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of the recipe."""
        return recipe(self.name).seeds

    def load(self, results: Path) -> Arms:
        """Its runs, ended or not."""
        return arms(load_all(results / self.name), self.settings)

    def repeated(self, results: Path) -> Arms:
        """Its runs that were run again."""
        return arms(load_all(results / ROUNDING), self.settings)


TIERS = (
    Tier(
        name="ptb_tier1",
        title="LSTM, 256 units, 10 epochs",
        carried=(True, False),
        methods=("artbp", "tbptt", "random"),
        settings={"model.name": "lstm", "model.hidden_size": 256, "task.epochs": 10, "optimizer.lr": 1e-3},
    ),
    Tier(
        name="ptb_tier2_lstm",
        title="LSTM, 512 units, 20 epochs",
        carried=(True,),
        methods=("artbp", "tbptt"),
        settings={"model.name": "lstm", "model.hidden_size": 512, "task.epochs": 20, "optimizer.lr": 1e-4},
    ),
    Tier(
        name="ptb_tier2_authors",
        title="the authors' cell, 512 units, 20 epochs",
        carried=(False,),
        methods=("artbp", "tbptt"),
        settings={"model.name": "authors", "model.hidden_size": 512, "task.epochs": 20, "optimizer.lr": 1e-4},
    ),
)


def arms(runs: Iterable[Run], settings: Mapping[str, Any]) -> Arms:
    """Arm → seed → run, of the runs that have `settings` and the comparison's lengths and schedule, ended or not."""
    found: Arms = {}
    for run in runs:
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


def best_test(run: Run) -> float:
    """Test bpc of a finished run, at its epoch with the best validation bpc.

    Raises:
        UserError: its folder does not have it.
    """
    value: float | None = run.summary["test_bpc"]
    if value is None:
        damaged(run.path / "summary.json", "has no test_bpc, though the run finished")
    return value


def end_points(found: Arms) -> dict[Arm, dict[int, float]]:
    """Arm → seed → end point, of the runs that finished."""
    return {arm: {seed: end_point(run) for seed, run in sorted(runs.items()) if finished(run)}
            for arm, runs in found.items()}  # fmt: skip


def finished(run: Run) -> bool:
    """Whether it came to its end; a run that diverged did not, however good an epoch before that was."""
    return run.summary.get("status") == "finished"


def diverged(run: Run) -> bool:
    """Whether it ended so."""
    return run.summary.get("status") == "diverged"
