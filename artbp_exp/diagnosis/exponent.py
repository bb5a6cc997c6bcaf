"""Does any schedule have less variance than the one configured? Tests, not a ranking of noisy numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

ERROR_RATE = 0.05
"""Of all the comparisons of a table together: shared out among them (Bonferroni)."""
UNSEEN = 0.1
"""Share of the predicted variance that draws cannot show, beyond which the measured one is not used."""
MOSTLY = 0.5
"""Share beyond which a prediction rests on few segments that hardly ever come: no schedule to recommend."""


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


def variance(row: Any) -> tuple[float, float]:
    """(relative variance, its standard error).

    The predicted and the measured one are two estimates of the same number, from places and from draws; they are
    averaged, each by its precision, where draws can show it. What they cannot show counts as an error of the measured
    one. Elsewhere the predicted one; where there is none the measured one.
    """
    drawn, error = float(row["variance"]), float(row["variance_se"])
    predicted, its = float(row["predicted"]), float(row["predicted_se"])
    if np.isnan(predicted):
        return drawn, error
    rare = float(row["predicted_rare"])
    if rare > UNSEEN:
        return predicted, its
    error = float(np.hypot(error, rare * predicted))
    if min(error, its) == 0:
        return (drawn, error) if error == 0 else (predicted, its)
    weights = np.array([error**-2, its**-2])
    return float(weights @ [drawn, predicted] / weights.sum()), float(weights.sum() ** -0.5)


def compared(table: pd.DataFrame, alpha: float, *, shortest: float) -> dict[str, Compared]:
    """Comparison → schedules against the paper's with exponent `alpha`; only where that one is in the table.

    Args:
        table: of `methods.csv`.
        alpha: configured.
        shortest: mean length in steps up to which a constant hazard is left out: its variance may be infinite.
    """
    # where a cut is certain there is bias, no variance, and nothing that could be predicted
    sound = table[(table["method"] == "artbp") & table["reweight"] & table["predicted"].notna()]
    barred = (sound["schedule"] == "constant") & (
        ~(sound["length"] > shortest) | (sound["predicted_rare"].fillna(0) > MOSTLY)
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
    here, error = variance(base)
    less: list[Any] = []
    more: list[Any] = []
    same: list[Any] = []
    for row in sorted((row for _, row in rows[~is_base].iterrows()), key=lambda row: variance(row)[0]):
        there, its = variance(row)
        far = limit * float(np.hypot(error, its))
        (less if there - here < -far else more if there - here > far else same).append(row)
    return Compared(base=base, less=less, more=more, same=same)
