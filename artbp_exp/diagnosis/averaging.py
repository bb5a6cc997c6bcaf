"""How many of ARTBP's updates have to be averaged until it is nearer the truth than truncated BPTT.

Over a stretch of T steps, n = T/L0 updates, let V be ARTBP's variance and ‖b‖² truncated BPTT's squared bias, both of
the *sum* of the updates' gradients, ‖b‖² without what differs from data to data (`lasting.py`). Take the updates'
contributions to be uncorrelated, so that V = n·v with v the variance of one, and the bias to be the same in each,
b = n·β. The mean of N updates then has the variance v/N, while truncated BPTT's squared error stays ‖β‖² however many
are averaged. They are equal at

    N* = v/‖β‖² = (V/n) / (‖b‖²/n²) = (T/L0)·V/‖b‖²,

which, unlike V/‖b‖² itself, does not depend on T but through what is lost at the edges of the stretch.
"""

from typing import Any

import pandas as pd

from artbp_exp import registry
from artbp_exp.theory.unbiased import is_unbiased

COLUMN = "updates_to_match"
MOSTLY = 0.5
"""Share of the predicted variance that no draw can show, beyond which the measured one is not to be built on."""


def with_updates(table: pd.DataFrame, steps: int) -> pd.DataFrame:
    """Adds N*, of ARTBP against truncated BPTT of the same mean length, or of the same memory; nan elsewhere.

    `_low` and `_high` combine the ends of both 95 % intervals. Infinite where no lasting bias was found.

    Args:
        table: of `methods.csv`.
        steps: T.
    """
    found = [_updates(table, row, steps) for _, row in table.iterrows()]
    return table.assign(**{COLUMN + end: [one[at] for one in found] for at, end in enumerate(("", "_low", "_high"))})


def _updates(table: pd.DataFrame, row: Any, steps: int) -> tuple[float, float, float]:
    other = table[table["method"] == "tbptt"]
    if row["comparison"] == "equal memory":
        other = other[other["comparison"] == "equal memory"]
    else:
        other = other[(other["comparison"] == "length") & (other["length"] == row["length"])]
    if row["method"] != "artbp" or other.empty or row["predicted_rare"] > MOSTLY or not unbiased(row, steps):
        return (float("nan"),) * 3
    bias = other.iloc[0]
    updates = steps / row["length"]
    # the least variance over the greatest bias, and the other way round: wider than an interval has to be
    pairs = (("", ""), ("_low", "_high"), ("_high", "_low"))
    first, low, high = (_ratio(updates * row[f"variance{a}"], bias[f"bias2_lasting{b}"]) for a, b in pairs)
    return first, low, high


def unbiased(row: Any, steps: int) -> bool:
    """Whether ARTBP as it is set in `row` has no bias of its own, that averaging would not remove.

    It has without reweighting, and where a cut is certain (L0 = 1, or L0 = `every`): then it is truncated BPTT.
    """
    alpha = row["alpha"] if row["schedule"] == "paper" else None
    method = {"name": "artbp", "alpha": alpha, **{key: row[key] for key in ("length", "schedule")}}
    scheme = registry.build("method", {**method, "reweight": bool(row["reweight"]), "every": row["every"]})
    return is_unbiased(scheme, steps)


def _ratio(above: float, below: float) -> float:
    """Infinite where no lasting bias was found: it may come out below 0."""
    return float(above / below) if below > 0 else float("inf")
