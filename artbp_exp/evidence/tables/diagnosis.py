"""Tables of what `artbp-diagnose` measured."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from artbp_exp.diagnosis.words import said, sharing_cost
from artbp_exp.evidence.tables.markdown import markdown


def diagnosis_table(name: str) -> Callable[[Path], str]:
    """Results folder → the table of a checkpoint."""
    return lambda results: _table(results / "diagnose" / name)


def _table(folder: Path) -> str:
    """Facts of a checkpoint, and its methods over lengths and at equal memory."""
    table, facts = pd.read_csv(folder / "methods.csv"), pd.read_csv(folder / "checkpoint.csv").iloc[0]
    enough = "within" if facts["window_enough"] else "beyond"
    about = (
        f"`{facts['command']}`: T = {facts['steps']} steps × {facts['streams']} streams. Doubling the window changes "
        f"the gradient by {facts['window_change']:.2g} of its length, {enough} the bound, "
        f"{facts['window_bound']:.2g}. Unseen: share in segments too rare to be among {table['draws'].max()} draws."
    )
    head = (
        *("method", "squared bias (range)", "of it systematic", "variance", "predicted (unseen)", "updates to match"),
        *("κ", f"sharing cost at B = {facts['run_batch_size']}", "stored: mean, exact, peak", "recomputed"),
    )
    rows = []
    for comparison, title in (("length", "over lengths"), ("equal memory", "at equal memory")):
        rows.append([f"**{title}**"])
        rows += [_row(row) for _, row in table[table["comparison"] == comparison].iterrows()]
    return f"{about}\n\n{markdown(head, rows)}"


def _row(row: pd.Series) -> list[str]:
    random = row["variance"] > 0
    unbiased = random and row["reweight"]
    return [
        said(row),
        _within(row, "bias2"),
        "" if random else _within(row, "bias2_lasting"),
        _within(row, "variance") if random else "0",
        f"{_within(row, 'predicted')} ({row['predicted_rare']:.0%})" if unbiased else "",
        _within(row, "updates_to_match"),
        _within(row, "kappa"),
        sharing_cost(row),
        f"{row['stored_mean']:.0f}, {row['stored_mean_theory']:.0f}, {row['stored_peak']:.0f}",
        f"{row['recomputed']:.1%}",
    ]


def _within(row: pd.Series, column: str) -> str:
    """A value and its interval; nothing where there is none."""
    value, low, high = (row[column + end] for end in ("", "_low", "_high"))
    return "" if np.isnan(value) else f"{value:.3g} ({low:.2g} to {high:.2g})"
