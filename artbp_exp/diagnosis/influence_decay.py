"""How fast influence falls at long lags, and the mean length that a constant hazard needs for it.

A constant hazard c = 1/L0 multiplies what crosses n steps by (1 − c)^−n in square, weighed by a survival of (1 − c)^n.
With an influence that falls as r^n its variance is finite only where r² < 1 − c, that is for L0 > 1/(1 − r²).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

FLOOR = 1e-12
"""Of the greatest influence: what is below it no longer counts, and may be rounding."""
PARTS = 3
LEAST = 4  # lags in each part


@dataclass(frozen=True, kw_only=True)
class Tail:
    """The fall of influence over the longer half of the lags.

    Attributes:
        first: lag at which it begins, in steps.
        last: lag at which it ends.
        ratio: r, influence at a lag over that at the lag before, by least squares on its logarithm.
        steepest: the least ratio among thirds of the tail: how far the fall is from a straight one.
        flattest: the greatest.
        level: of the fitted line, at `first`.
    """

    first: int
    last: int
    ratio: float
    steepest: float
    flattest: float
    level: float


def tail(falls: pd.DataFrame) -> Tail | None:
    """The tail of `influence.csv`; None where there are too few lags to tell."""
    influence = falls["influence"].to_numpy(dtype=float)
    seen = influence > FLOOR * influence.max()
    count = int(seen.size if seen.all() else np.argmin(seen))  # up to the first lag that no longer counts
    lags, logs = falls["lag"].to_numpy(dtype=float)[:count], np.log(influence[:count])
    begin = count // 2
    if count - begin < PARTS * LEAST:
        return None
    slope, at = _fit(lags[begin:], logs[begin:])
    parts = zip(np.array_split(lags[begin:], PARTS), np.array_split(logs[begin:], PARTS), strict=True)
    ratios = [float(np.exp(_fit(*part)[0])) for part in parts]
    return Tail(
        first=int(lags[begin]),
        last=int(lags[-1]),
        ratio=float(np.exp(slope)),
        steepest=min(ratios),
        flattest=max(ratios),
        level=float(np.exp(at)),
    )


def least_length(ratio: float) -> float:
    """1/(1 − r²): a constant hazard of a mean length above it has finite variance; infinite where nothing falls."""
    return 1 / (1 - ratio**2) if ratio < 1 else float("inf")


def _fit(lags: np.ndarray, logs: np.ndarray) -> tuple[float, float]:
    """(slope, value at the first lag)."""
    slope, at = np.polyfit(lags - lags[0], logs, 1)
    return float(slope), float(at)
