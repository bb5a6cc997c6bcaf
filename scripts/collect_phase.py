"""Gathers the many small runs of the phase diagrams into one CSV each, small enough to commit.

Runs are added to the CSV that is there: a machine that holds only some of the runs can add to what others measured.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from artbp_exp.errors import UserError
from artbp_exp.models.linear import LinearSystem
from artbp_exp.runs.load import Run, load_runs

RUNS = Path("results/runs")
RESULTS = Path("results")
SETTING = ["size", "positive", "method", "reweight", "length", "alpha", "lr", "seed"]
"""The columns that identify a run."""
LONGEST = 100_000
"""Longest truncation length that is tried for the right sign, in steps."""


def row(run: Run) -> dict[str, object]:
    """What is kept of a run."""
    config, summary = run.config, run.summary
    return {
        "method": config["method"]["name"],
        "reweight": config["method"].get("reweight", True),
        "length": config["method"]["length"],
        "alpha": config["method"].get("alpha"),
        "lr": config["optimizer"]["lr"],
        "seed": config["seed"],
        "size": config["task"]["size"],
        "positive": config["task"]["positive"],
        "status": summary["status"],
        "steps": summary["steps"],
        "loss": summary["loss"],
        "theta": summary["theta"],
        "theta_optimal": summary["theta_optimal"],
        "git_commit": summary["git_commit"],
    }


def sign_length(size: int, positive: int) -> int:
    """Returns the least length L at which truncated BPTT's mean sensitivity has the sign of the true one.

    It is Σ_{t ≤ L} h_t with h_t = Σ_{j<t} (A^j b)_1, against 2(2p − n), at the stationary state.
    """
    system = LinearSystem(size=size, positive=positive, theta=0.0)
    transition, pushed = system.transition.numpy(), system.drive.numpy()
    wanted = np.sign(2 * positive - size)
    influence = total = 0.0
    for length in range(1, LONGEST):
        influence += pushed[0]
        total += influence
        # from here on every further step has the right sign, so the sum stays right once it is
        if np.sign(total) == wanted:
            return length
        pushed = transition @ pushed
    raise UserError(f"no length up to {LONGEST} gives the right sign for size {size}, positive {positive}")


def together(runs: pd.DataFrame, cells: Path) -> pd.DataFrame:
    """Adds runs to those of an existing CSV; of two runs of one setting, the one collected now stays."""
    known = pd.read_csv(cells) if cells.exists() else pd.DataFrame()
    table = pd.concat([known, runs], ignore_index=True)
    return table.drop_duplicates(SETTING, keep="last").sort_values(SETTING, ignore_index=True)


def main() -> None:
    """Adds to results/phase_diagram/cells.csv, results/phase_sizes/cells.csv and results/phase_sizes/signs.csv."""
    for name in ("phase_diagram", "phase_sizes"):
        runs = load_runs(RUNS / name)
        if not runs:
            print(f"{name}: no runs in {RUNS / name}; `make phase` makes them")
            continue
        cells = RESULTS / name / "cells.csv"
        table = together(pd.DataFrame([row(run) for run in runs]), cells)
        cells.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(cells, index=False)
        print(f"{name}: {len(runs)} runs collected → {cells}, which now has {len(table)}")
        if name == "phase_sizes":
            sizes = table[["size", "positive"]].drop_duplicates().itertuples(index=False)
            signs = [{"size": n, "positive": p, "sign_length": sign_length(n, p)} for n, p in sizes]
            pd.DataFrame(signs).to_csv(RESULTS / name / "signs.csv", index=False)


if __name__ == "__main__":
    main()
