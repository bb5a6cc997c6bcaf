"""'Reached θ*' on influence balancing: the one definition, for claims, figures, tables and the demo."""

import pandas as pd

from artbp_exp.runs.load import Run

NEAR = 0.01
"""A run has reached θ* if it did not diverge and |θ − θ*| ended below this share of what it was at the start."""

START = 0.5
"""θ at the start of the runs whose CSV does not say it (`model.theta` of the recipes)."""

TINY = 1e-17
"""Least |θ − θ*| that is told from 0, and that a log axis shows."""


def off(run: Run) -> float:
    """|θ − θ*| of the last θ; infinite where that is not finite."""
    theta = run.summary["theta"]
    return float("inf") if theta is None else float(abs(theta - run.summary["theta_optimal"]))


def end(run: Run) -> float:
    """The same; infinite where the run diverged."""
    return float("inf") if run.summary["status"] == "diverged" else off(run)


def distance(run: Run) -> float:
    """`end` over |θ − θ*| at the start."""
    return end(run) / start(run)


def start(run: Run) -> float:
    """|θ − θ*| at the start."""
    return float(abs(run.config["model"]["theta"] - run.summary["theta_optimal"]))


def reached(run: Run) -> bool:
    """Whether the run reached θ*."""
    return distance(run) < NEAR


def reached_cells(cells: pd.DataFrame) -> pd.Series:
    """The same of each row of a `cells.csv`."""
    begun = (START - cells["theta_optimal"]).abs()
    near: pd.Series = (cells["theta"] - cells["theta_optimal"]).abs() < NEAR * begun
    return near & (cells["status"] != "diverged")
