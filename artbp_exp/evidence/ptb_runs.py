"""The Penn Treebank runs that the report compares, from `results/ptb_tier1` and `results/ptb_tier2_*`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from artbp_exp.runs.load import Run
from artbp_exp.runs.validation import damaged

PARTS = {
    "valid": ("valid", "each at its best valid epoch"),
    "test": ("test", "each at its best valid epoch"),
    "last": ("valid", "at the end of the last epoch"),
}
"""Result of a run → part of the corpus, and when. Test is measured at the best valid epoch only, so never last."""

METHODS = {
    "artbp": ("method=artbp", "ARTBP"),
    "tbptt": ("method=tbptt", "truncated BPTT"),
    "random": ("method=artbp method.reweight=false", "random cuts, not reweighted"),
}
STATES = {True: "carried", False: "reset at cuts"}


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A family of runs.

    Attributes:
        name: of the recipe, and of the folder in the results.
        title: in words.
        seeds: wanted.
        carried: values of `task.carry_state` wanted.
        methods: wanted, of `METHODS`.
        settings: that a run of this family has; a run with others is another experiment and is left out.
    """

    name: str
    title: str
    seeds: tuple[int, ...]
    carried: tuple[bool, ...]
    methods: tuple[str, ...]
    settings: Mapping[str, Any]


TIERS = (
    Tier(
        name="ptb_tier1",
        title="LSTM, 256 units, 10 epochs",
        seeds=(0, 1, 2),
        carried=(True, False),
        methods=("artbp", "tbptt", "random"),
        settings={"model.name": "lstm", "model.hidden_size": 256, "task.epochs": 10, "optimizer.lr": 1e-3},
    ),
    Tier(
        name="ptb_tier2_lstm",
        title="LSTM, 512 units, 20 epochs",
        seeds=(0,),
        carried=(True,),
        methods=("artbp", "tbptt"),
        settings={"model.name": "lstm", "model.hidden_size": 512, "task.epochs": 20, "optimizer.lr": 1e-4},
    ),
    Tier(
        name="ptb_tier2_authors",
        title="the authors' cell, 512 units, 20 epochs",
        seeds=(0,),
        carried=(False,),
        methods=("artbp", "tbptt"),
        settings={"model.name": "authors", "model.hidden_size": 512, "task.epochs": 20, "optimizer.lr": 1e-4},
    ),
)

ROUNDING = "ptb_rounding"
"""Folder of runs of the first tier that differ from its own in rounding only."""

METHOD = {"length": 50, "every": 1}
"""What every method of the comparison has; ARTBP and its ablation also have `ARTBP`."""

ARTBP = {"schedule": "paper", "alpha": 4}

Arm = tuple[str, bool]
"""Method of `METHODS`, and whether the state is carried."""

Arms = dict[Arm, dict[int, Run]]


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
        key = (kind, bool(run.config["task"]["carry_state"]))
        found.setdefault(key, {})[run.config["seed"]] = run
    return found


def _setting(run: Run, key: str) -> Any:
    group, name = key.split(".")
    return run.config[group].get(name)


def bpc(run: Run, part: str) -> float:
    """Bits per character of a finished run, for a key of `PARTS`.

    Raises:
        UserError: its folder does not have it.
    """
    if part != "last":
        value: float | None = run.summary[f"{part}_bpc"]
        if value is None:
            damaged(run.path / "summary.json", f"has no {part}_bpc, though the run finished")
        return value
    levels, epochs = run.at_epochs("valid_bpc"), run.config["task"]["epochs"]
    if levels.empty or levels.index[-1] != epochs:
        damaged(run.path / "metrics.csv", f"has no valid_bpc at the end of epoch {epochs}, though the run finished")
    return float(levels.iloc[-1])


def paired(found: Arms, first: Arm, second: Arm, part: str) -> dict[int, float]:
    """Seed → bpc of `first` − bpc of `second`, for the seeds on which both finished; `part` is a key of `PARTS`."""
    one, two = found.get(first, {}), found.get(second, {})
    return {
        seed: bpc(one[seed], part) - bpc(two[seed], part)
        for seed in sorted(set(one) & set(two))
        if finished(one[seed]) and finished(two[seed])
    }


def finished(run: Run) -> bool:
    """Whether it came to its end; a run that diverged did not, however good an epoch before that was."""
    return run.summary.get("status") == "finished"


def diverged(run: Run) -> bool:
    """Whether it ended so."""
    return run.summary.get("status") == "diverged"


def run_again(found: Arms, again: Arms) -> Arms:
    """`found` with the runs of `again` that finished in the place of those of the same arm and seed."""
    return {
        arm: {
            seed: other if (other := again.get(arm, {}).get(seed)) and finished(other) else run
            for seed, run in runs.items()
        }
        for arm, runs in found.items()
    }
