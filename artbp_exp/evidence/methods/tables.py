"""Tables on the methods of the field, for docs/methods.md."""

from pathlib import Path

from artbp_exp.evidence.methods.recall import FOLDER, SECONDS, STEPS, rows
from artbp_exp.runs.load import load_runs


def recall_table(results: Path) -> str:
    """For each arm of recall its memory, its time a step, and how many seeds learn which lag."""
    table = rows(load_runs(results / FOLDER))
    lags = sorted({lag for row in table for lag in row.by_steps})
    lines = [
        f"| recall: seeds that learn lag k within {STEPS:,} steps; within {SECONDS:g} s "
        "| numbers kept | µs a step | " + " | ".join(f"k = {lag}" for lag in lags) + " |",
        "| --- |" + " --- |" * (len(lags) + 2),
    ]
    for row in table:
        cells = [f"{_share(row.by_steps.get(lag))}; {_share(row.by_time.get(lag))}" for lag in lags]
        lines.append(f"| {row.arm.label} | {row.memory:,.0f} | {1e6 * row.cost:.0f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _share(seeds: list[bool] | None) -> str:
    return f"{sum(seeds)}/{len(seeds)}" if seeds else "–"
