"""How fast influence decays at long lags, and the mean length that a constant hazard needs for it.

A constant hazard c = 1/L0 multiplies the square of what crosses n steps by (1 − c)^−2n, and a segment survives them
with probability (1 − c)^n. If influence decays as r^n the variance is finite only for r² < 1 − c, or L0 > 1/(1 − r²).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

NEGLIGIBLE = 1e-12
"""Share of the greatest influence below which a lag no longer counts: it may be rounding."""
PARTS = 3
LEAST_LAGS = 4  # in each part


@dataclass(frozen=True, kw_only=True)
class InfluenceDecay:
    """The decay of influence over the longer half of the lags.

    Attributes:
        first: lag at which that half begins, in steps.
        last: lag at which it ends.
        ratio: r, the influence at a lag over that at the lag before, by least squares on its logarithm.
        steepest: the least ratio among thirds of these lags: how far the decay is from an exponential one.
        flattest: the greatest.
        level: of the fitted line, at `first`.
    """

    first: int
    last: int
    ratio: float
    steepest: float
    flattest: float
    level: float


def fit_decay(influence: pd.DataFrame) -> InfluenceDecay | None:
    """Fits the table of `influence.csv`; None where it has too few lags."""
    values = influence["influence"].to_numpy(dtype=float)
    counts = values > NEGLIGIBLE * values.max()
    size = int(counts.size if counts.all() else np.argmin(counts))  # up to the first lag that no longer counts
    lags, logs = influence["lag"].to_numpy(dtype=float)[:size], np.log(values[:size])
    begin = size // 2
    if size - begin < PARTS * LEAST_LAGS:
        return None
    slope, at = _line(lags[begin:], logs[begin:])
    parts = zip(np.array_split(lags[begin:], PARTS), np.array_split(logs[begin:], PARTS), strict=True)
    ratios = [float(np.exp(_line(*part)[0])) for part in parts]
    return InfluenceDecay(
        first=int(lags[begin]),
        last=int(lags[-1]),
        ratio=float(np.exp(slope)),
        steepest=min(ratios),
        flattest=max(ratios),
        level=float(np.exp(at)),
    )


def least_length(ratio: float) -> float:
    """1/(1 − r²): above this mean length a constant hazard has finite variance; infinite where nothing decays."""
    return 1 / (1 - ratio**2) if ratio < 1 else float("inf")


def _line(lags: np.ndarray, logs: np.ndarray) -> tuple[float, float]:
    """(slope, value at the first lag)."""
    slope, at = np.polyfit(lags - lags[0], logs, 1)
    return float(slope), float(at)
