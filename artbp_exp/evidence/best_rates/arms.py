"""Runs of one comparison by arm and learning rate: each arm is taken at its own best rate."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from artbp_exp.errors import UserError
from artbp_exp.evidence.ptb_runs import diverged, end_point, finished
from artbp_exp.runs.load import Run

NAMES = {"tbptt": "truncated BPTT", "artbp": "ARTBP", "awd": "AWD-LSTM's lengths", "uniform": "uniform lengths"}


@dataclass(kw_only=True)
class Arm:
    """A method with its settings, at every learning rate that it was run with. Its runs are read once.

    Attributes:
        title: in words.
        method: its configuration.
        rates: learning rate → seed → its run, ended or not.
    """

    title: str
    method: dict[str, Any]
    rates: dict[float, dict[int, Run]] = field(default_factory=dict)

    @cached_property
    def ends(self) -> dict[float, dict[int, float]]:
        """Learning rate, ascending → seed → end point, of the runs that finished."""
        return {
            rate: {seed: end_point(run) for seed, run in sorted(runs.items()) if finished(run)}
            for rate, runs in sorted(self.rates.items())
        }

    @cached_property
    def means(self) -> dict[float, float]:
        """Learning rate, ascending → mean end point; infinite where a run diverged, absent where none has ended."""
        found = {}
        for rate, ends in self.ends.items():
            if any(map(diverged, self.rates[rate].values())):
                found[rate] = float("inf")
            elif ends:
                found[rate] = sum(ends.values()) / len(ends)
        return found

    @property
    def best(self) -> float | None:
        """The learning rate with the least mean end point; None where nothing finished."""
        means = {rate: mean for rate, mean in self.means.items() if mean < float("inf")}
        return min(means, key=means.__getitem__) if means else None

    @property
    def at_best(self) -> dict[int, float]:
        """Seed → end point at the best rate."""
        return {} if self.best is None else self.ends[self.best]

    @property
    def inside(self) -> bool:
        """Whether rates below and above the best were run too, so that the best is inside the grid."""
        means = list(self.means)
        return self.best is not None and means[0] < self.best < means[-1]

    @property
    def stored(self) -> float | None:
        """Mean stored steps as drawn, Σ N(N − 1)/2 / Σ N over the segments of a finished run; None without one."""
        for run in (run for runs in self.rates.values() for run in runs.values() if finished(run)):
            drawn = run.segments()
            length, count = drawn["length"].to_numpy(float), drawn["count"].to_numpy(float)
            return float((count * length * (length - 1) / 2).sum() / (count * length).sum())
        return None


def arms(runs: Iterable[Run]) -> dict[str, Arm]:
    """Title → arm.

    Raises:
        UserError: there are two runs of one arm, learning rate and seed.
    """
    found: dict[str, Arm] = {}
    for run in runs:
        title = _title(run.config)
        arm = found.setdefault(title, Arm(title=title, method=dict(run.config["method"])))
        seeds = arm.rates.setdefault(float(run.config["optimizer"]["lr"]), {})
        first = seeds.setdefault(int(run.config["seed"]), run)
        if first is not run:
            raise UserError(f"{first.path} and {run.path} are runs of one seed; move one of them elsewhere")
    return found


def _title(config: dict[str, Any]) -> str:
    method, optimizer = config["method"], config["optimizer"]
    name = NAMES.get(method["name"], method["name"])
    if method["name"] == "artbp" and not method.get("reweight", True):
        name = "random cuts, not reweighted"
    parts = [name, f"L{'0' if method['name'] == 'artbp' else ''} = {method['length']:g}"]
    if method["name"] == "artbp":
        parts.append("constant hazard" if method["schedule"] == "constant" else f"α = {method['alpha']:g}")
    if method.get("phase", "fixed") == "random":
        parts.append("random phase")
    if optimizer.get("length_aware"):
        parts.append("length-aware Adam")
    if method["name"] == "awd" and not optimizer.get("length_scaling"):
        parts.append("rate not scaled")
    if optimizer.get("schedule", "constant") == "constant":
        parts.append("no decay")
    return ", ".join(parts)
