"""Runs of one comparison by arm and learning rate: each arm is taken at its own best rate."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean
from typing import Any

from artbp_exp.errors import UserError
from artbp_exp.evidence.arms import kind, label
from artbp_exp.evidence.figures.common import color_of
from artbp_exp.evidence.ptb_runs import diverged, end_points, finished
from artbp_exp.runs.identity import ADDED, identity
from artbp_exp.runs.load import Run

FREE = ("seed", "optimizer.lr", "precision", "engine", "task.data_dir")
"""Settings in which the runs of an arm may differ."""


@dataclass(kw_only=True)
class Arm:
    """A method with its settings, at every learning rate that it was run with. Its runs are read once.

    Attributes:
        title: in words.
        color: of its lines.
        rates: learning rate → seed → its run, ended or not.
    """

    title: str
    color: str
    rates: dict[float, dict[int, Run]] = field(default_factory=dict)

    @cached_property
    def ends(self) -> dict[float, dict[int, float]]:
        """Learning rate, ascending → seed → end point, of the runs that finished."""
        return {rate: end_points(runs) for rate, runs in sorted(self.rates.items())}

    @cached_property
    def means(self) -> dict[float, float]:
        """Learning rate, ascending → mean end point; infinite where a run diverged, absent where none has ended."""
        found = {}
        for rate, ends in self.ends.items():
            if any(map(diverged, self.rates[rate].values())):
                found[rate] = float("inf")
            elif ends:
                found[rate] = fmean(ends.values())
        return found

    @cached_property
    def best(self) -> float | None:
        """The learning rate of the least mean end point; None where nothing finished.

        Two rates are compared on the seeds that both have, where there are any: a rate does not win by its seeds.
        """
        best: float | None = None
        for rate in (rate for rate, level in self.means.items() if level < float("inf")):
            if best is None or self._beats(rate, best):
                best = rate
        return best

    def _beats(self, rate: float, other: float) -> bool:
        seeds = self.ends[rate].keys() & self.ends[other].keys()
        if not seeds:
            return self.means[rate] < self.means[other]
        return fmean(self.ends[rate][seed] for seed in seeds) < fmean(self.ends[other][seed] for seed in seeds)

    @property
    def level(self) -> float:
        """Mean end point at the best rate; infinite where nothing finished."""
        return float("inf") if self.best is None else self.means[self.best]

    @property
    def at_best(self) -> dict[int, float]:
        """Seed → end point at the best rate."""
        return {} if self.best is None else self.ends[self.best]

    def inside(self, grid: Iterable[float]) -> bool:
        """Whether the rates of the grid next to the best one, on both sides, have ended too."""
        rates = sorted(grid)
        at = rates.index(self.best) if self.best in rates else 0
        return 0 < at < len(rates) - 1 and rates[at - 1] in self.means and rates[at + 1] in self.means

    @property
    def stored(self) -> float | None:
        """Mean stored steps as drawn, Σ N(N − 1)/2 / Σ N over the segments of a finished run; None without one."""
        for run in (run for runs in self.rates.values() for run in runs.values() if finished(run)):
            return run.stored_steps()
        return None


def arms(runs: Iterable[Run]) -> dict[str, Arm]:
    """Title → arm.

    Raises:
        UserError: two runs of one arm differ in more than `FREE`, or are of one learning rate and seed.
    """
    found: dict[str, Arm] = {}
    settings: dict[str, tuple[Run, dict[str, Any]]] = {}
    for run in runs:
        title, mine = _title(run), ADDED | identity(run.config)
        first, others = settings.setdefault(title, (run, mine))
        for key in (mine.keys() | others.keys()) - set(FREE):
            if mine.get(key) != others.get(key):
                raise UserError(f"{first.path} and {run.path} differ in {key}; move one of them elsewhere")
        arm = found.setdefault(title, Arm(title=title, color=color_of(kind(run))))
        seeds = arm.rates.setdefault(float(run.config["optimizer"]["lr"]), {})
        first = seeds.setdefault(int(run.config["seed"]), run)
        if first is not run:
            raise UserError(f"{first.path} and {run.path} are runs of one seed; move one of them elsewhere")
    return found


def _title(run: Run) -> str:
    method, optimizer = run.config["method"], run.config["optimizer"]
    apart = {
        "random phase": method.get("phase") == "random",
        "length-aware Adam": optimizer.get("length_aware"),
        "rate not scaled": method["name"] == "awd" and not optimizer.get("length_scaling"),
        "no decay": optimizer.get("schedule", "constant") == "constant",
    }
    return ", ".join([label(run), *(said for said, so in apart.items() if so)])
