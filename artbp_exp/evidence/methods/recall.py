"""Recall: which method learns which lag, at equal memory and steps and at equal time. One definition for all."""

from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import pandas as pd

from artbp_exp.evidence.arms import kind, label
from artbp_exp.evidence.figures.common import color_of
from artbp_exp.evidence.read import grouped
from artbp_exp.evidence.tables.markdown import markdown
from artbp_exp.runs.load import Run, load_runs

FOLDER = "methods_recall"
LEARNED = 0.2
"""A run has learned by a step if its held-out loss at the last row until then is below this share of chance."""

STEPS = 6_000
"""Steps, of 8 streams, after which all are compared at equal steps."""

SECONDS = 1.0
"""Of one core, after which all are compared at equal time."""

CLASSES = (100.0, 1000.0, float("inf"))
"""Numbers kept for a stream up to which arms are compared with one another."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """An arm over all lags.

    Attributes:
        label: of the arm.
        color: of its cells.
        memory: numbers kept for each stream.
        cost: seconds a step, see `step_cost`.
        by_steps: lag → for each seed whether it had learned after `STEPS`.
        by_time: the same after `SECONDS`.
    """

    label: str
    color: str
    memory: float
    cost: float
    by_steps: dict[int, list[bool]]
    by_time: dict[int, list[bool]]

    @property
    def rank(self) -> int:
        """Index of its class of memory."""
        return next(index for index, most in enumerate(CLASSES) if self.memory <= most)


def rows(runs: list[Run]) -> list[Row]:
    """A row for each arm: classes of equal memory one after the other, in each the best first."""
    found = [_row(*arm) for arm in grouped(runs, label).items()]
    return sorted(found, key=lambda row: (row.rank, -sum(map(sum, row.by_steps.values())), row.memory))


def _row(name: str, runs: list[Run]) -> Row:
    cost = step_cost(runs)
    lags = dict(sorted(grouped(runs, lambda run: int(run.config["task"]["lag"])).items()))
    return Row(
        label=name,
        color=color_of(kind(runs[0])),
        memory=fmean(run.summary["stored_numbers"] for run in runs),
        cost=cost,
        by_steps={lag: [learned(run, STEPS) for run in mine] for lag, mine in lags.items()},
        by_time={lag: [learned(run, SECONDS / cost) for run in mine] for lag, mine in lags.items()},
    )


def learned(run: Run, step: float) -> bool:
    """Whether the held-out loss was below `LEARNED` of chance at the last row until `step`."""
    table = run.metrics("step", "valid_loss")
    until: pd.Series = table["valid_loss"][table["step"] <= step * (1 + 1e-3)].dropna()
    return run.summary["status"] == "finished" and len(until) > 0 and until.iloc[-1] < LEARNED * run.summary["chance"]


def step_cost(runs: list[Run]) -> float:
    """Seconds a step: the least between two rows of any run, since other processes may share the machine."""
    costs = []
    for run in runs:
        table = run.metrics("step", "seconds").diff().dropna()
        costs.append(float((table["seconds"] / table["step"]).min()))
    return min(costs)


def recall_table(results: Path) -> str:
    """For each arm its memory, its time a step, and how many seeds learn which lag; as Markdown."""
    table = rows(load_runs(results / FOLDER))
    lags = sorted({lag for row in table for lag in row.by_steps})
    counted = f"recall: seeds that learn lag k within {STEPS:,} steps; within {SECONDS:g} s"
    cells = []
    for row in table:
        shares = (f"{_share(row.by_steps.get(lag))}; {_share(row.by_time.get(lag))}" for lag in lags)
        cells.append([row.label, f"{row.memory:,.0f}", f"{1e6 * row.cost:.0f}", *shares])
    return markdown([counted, "numbers kept", "µs a step", *(f"k = {lag}" for lag in lags)], cells)


def _share(seeds: list[bool] | None) -> str:
    return f"{sum(seeds)}/{len(seeds)}" if seeds else "–"
