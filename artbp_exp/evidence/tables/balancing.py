"""Tables on influence balancing."""

from pathlib import Path

import numpy as np

from artbp_exp.evidence.figures.common import arms, plain
from artbp_exp.evidence.optimum import NEAR, off, reached
from artbp_exp.evidence.tables.markdown import markdown
from artbp_exp.runs.load import Run, load_runs


def final(results: Path) -> str:
    """Final loss and |θ − θ*| for each method: median and range over seeds."""
    head = ("method", "seeds", "status", "final loss, median (range)", "final abs(θ − θ*), median (range)")
    rows = []
    for which, runs in arms(load_runs(results / "influence_balancing")).items():
        losses = [np.inf if (loss := run.summary["loss"]) is None else loss for run in runs]
        rows.append((plain(which), str(len(runs)), _statuses(runs), _range(losses), _range(list(map(off, runs)))))
    return markdown(head, rows)


def rates(results: Path) -> str:
    """For each method and learning rate, how many seeds reached θ*."""
    runs = load_runs(results / "learning_rates")
    values = sorted({run.config["optimizer"]["lr"] for run in runs})
    counted = f"seeds that reached θ* (within {100 * NEAR:g} % of the distance at the start) in 10⁶ steps, at η ="
    rows = []
    for which, members in arms(runs).items():
        cells = [plain(which)]
        for rate in values:
            seeds = [run for run in members if run.config["optimizer"]["lr"] == rate]
            cells.append(f"{sum(map(reached, seeds))}/{len(seeds)}")
        rows.append(cells)
    return markdown([counted, *(f"{rate:g}" for rate in values)], rows)


def _statuses(runs: list[Run]) -> str:
    found = [run.summary["status"] for run in runs]
    return ", ".join(f"{found.count(status)} {status}" for status in sorted(set(found)))


def _range(values: list[float]) -> str:
    return f"{np.median(values):.2g} ({min(values):.2g} to {max(values):.2g})"
