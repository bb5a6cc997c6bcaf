"""Tables on influence balancing."""

from pathlib import Path

import numpy as np

from artbp_exp.evidence.figures.common import arms, plain
from artbp_exp.evidence.optimum import NEAR, reached
from artbp_exp.runs.load import Run, load_runs


def final(results: Path) -> str:
    """Final loss and |θ − θ*| for each method: median and range over seeds."""
    lines = [
        "| method | seeds | status | final loss, median (range) | final abs(θ − θ*), median (range) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for which, runs in arms(load_runs(results / "influence_balancing")).items():
        losses = [run.summary["loss"] for run in runs]
        off = [abs(run.summary["theta"] - run.summary["theta_optimal"]) for run in runs]
        lines.append(f"| {plain(which)} | {len(runs)} | {_statuses(runs)} | {_range(losses)} | {_range(off)} |")
    return "\n".join(lines)


def rates(results: Path) -> str:
    """For each method and learning rate, how many seeds reached θ*."""
    runs = load_runs(results / "learning_rates")
    values = sorted({run.config["optimizer"]["lr"] for run in runs})
    lines = [
        f"| seeds that reached θ* (within {100 * NEAR:g} % of the distance at the start) in 10⁶ steps, at η = | "
        + " | ".join(f"{rate:g}" for rate in values)
        + " |",
        "| --- |" + " --- |" * len(values),
    ]
    for which, members in arms(runs).items():
        cells = []
        for rate in values:
            seeds = [run for run in members if run.config["optimizer"]["lr"] == rate]
            cells.append(f"{sum(map(reached, seeds))}/{len(seeds)}")
        lines.append(f"| {plain(which)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _statuses(runs: list[Run]) -> str:
    found = [run.summary["status"] for run in runs]
    return ", ".join(f"{found.count(status)} {status}" for status in sorted(set(found)))


def _range(values: list[float]) -> str:
    return f"{np.median(values):.2g} ({min(values):.2g} to {max(values):.2g})"
