"""What the rows of `methods.csv` say of each other: updates to match truncated BPTT, and which schedules differ.

Over a window of T steps, n = T/L0 updates, let V be ARTBP's variance and ‖b‖² truncated BPTT's systematic squared bias,
both of the *sum* of the updates' gradients. Take the updates' errors to be uncorrelated, so that V = n·v with v the
variance of one, and the bias to be the same in each, b = n·β. The mean of N updates then has variance v/N, while
truncated BPTT's squared error stays ‖β‖² however many are averaged. The two are equal at

    N* = v/‖β‖² = (V/n) / (‖b‖²/n²) = (T/L0)·V/‖b‖²,

which, unlike V/‖b‖², depends on T only through what is lost at the edges of the window.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

ERROR_RATE = 0.05
"""Of all tests of a table together: shared out among them (Bonferroni)."""
MEASURED_LIMIT = 0.1
"""Share of the predicted variance that draws cannot show, beyond which the measured variance is not used."""
RARE_LIMIT = 0.5
"""Share beyond which the variance rests on few segments that hardly ever come: the row supports no conclusion."""

AGREE = 1e-12
"""Relative variance that is rounding: all draws gave one gradient, and say nothing of the cuts that did not fall."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Schedules against the one configured, at equal length or at equal memory; least variance first.

    Attributes:
        base: the row of the schedule configured.
        less: rows with reliably less variance.
        more: rows with reliably more.
        same: the others.
    """

    base: Any
    less: list[Any]
    more: list[Any]
    same: list[Any]


def with_updates_to_match(table: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Adds N* of each unbiased random method against truncated BPTT of the same mean length, or memory; nan elsewhere.

    `_low` and `_high` combine the ends of both 95 % intervals. Infinite where no systematic bias was found. The column
    `unbiased` of the table says whether a method draws cuts and averages to the true gradient.
    """
    found = [_updates(table, row, steps) for _, row in table.iterrows()]
    ends = ("", "_low", "_high")
    return table.assign(**{f"updates_to_match{end}": [one[at] for one in found] for at, end in enumerate(ends)})


def _updates(table: pd.DataFrame, row: Any, steps: int) -> tuple[float, float, float]:
    truncated = table[table["method"] == "tbptt"]
    if row["comparison"] == "equal memory":
        truncated = truncated[truncated["comparison"] == "equal memory"]
    else:
        truncated = truncated[(truncated["comparison"] == "length") & (truncated["length"] == row["length"])]
    agree = row["variance"] < AGREE
    if not row["unbiased"] or agree or truncated.empty or row["predicted_rare"] > RARE_LIMIT:
        return (float("nan"),) * 3
    bias = truncated.iloc[0]
    updates = steps / row["length"]
    # the least variance over the greatest bias, and the other way round: wider than an interval has to be
    pairs = (("", ""), ("_low", "_high"), ("_high", "_low"))
    first, low, high = (_ratio(updates * row[f"variance{a}"], bias[f"bias2_lasting{b}"]) for a, b in pairs)
    return first, low, high


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below > 0 else float("inf")


def variance_estimate(row: Any) -> tuple[float, float]:
    """(relative variance, its standard error), from the measured and the predicted one.

    They are independent estimates of one number, so they are averaged, each weighted by its precision. What the draws
    cannot show counts as an error of the measured one; if that is too much, the predicted one is used alone. The
    measured one is used alone where nothing is predicted.
    """
    drawn, error = float(row["variance"]), float(row["variance_se"])
    predicted, its_error = float(row["predicted"]), float(row["predicted_se"])
    if np.isnan(predicted):
        return drawn, error
    rare = float(row["predicted_rare"])
    if rare > MEASURED_LIMIT:
        return predicted, its_error
    error = float(np.hypot(error, rare * predicted))
    if min(error, its_error) == 0:
        return (drawn, error) if error == 0 else (predicted, its_error)
    weights = np.array([error**-2, its_error**-2])
    return float(weights @ [drawn, predicted] / weights.sum()), float(weights.sum() ** -0.5)


def compare_schedules(table: pd.DataFrame, alpha: float, *, shortest: float) -> dict[str, Compared]:
    """Comparison → schedules against the paper's with exponent `alpha`; only where that one is in the table.

    A constant hazard of a mean length up to `shortest` steps is left out: its variance may be infinite.
    """
    sound = table[(table["method"] == "artbp") & table["reweight"] & table["predicted"].notna()]
    barred = (sound["schedule"] == "constant") & (
        ~(sound["length"] > shortest) | (sound["predicted_rare"].fillna(0) > RARE_LIMIT)
    )
    sound = sound[~barred]
    groups = {name: sound[sound["comparison"] == name] for name in ("equal length", "equal memory")}
    is_base = {name: (rows["schedule"] == "paper") & (rows["alpha"] == alpha) for name, rows in groups.items()}
    groups = {name: rows for name, rows in groups.items() if is_base[name].any()}
    tests = sum(len(rows) - 1 for rows in groups.values())
    limit = float(stats.norm.isf(ERROR_RATE / 2 / max(tests, 1)))
    return {name: _against(rows, is_base[name], limit) for name, rows in groups.items()}


def _against(rows: pd.DataFrame, is_base: pd.Series, limit: float) -> Compared:
    base = rows[is_base].iloc[0]
    here, error = variance_estimate(base)
    less: list[Any] = []
    more: list[Any] = []
    same: list[Any] = []
    for row in sorted((row for _, row in rows[~is_base].iterrows()), key=lambda row: variance_estimate(row)[0]):
        there, its_error = variance_estimate(row)
        far = limit * float(np.hypot(error, its_error))
        (less if there - here < -far else more if there - here > far else same).append(row)
    return Compared(base=base, less=less, more=more, same=same)
