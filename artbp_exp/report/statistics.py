"""Median and interval of a handful of seeds."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A measured quantity over seeds.

    Attributes:
        points: a value for each seed.
        median: of the points.
        low: lower end of the interval of the median; None where there are fewer than three seeds.
        high: upper end.
    """

    points: tuple[float, ...]
    median: float
    low: float | None
    high: float | None


def spread(values: Sequence[float]) -> Spread:
    """Median with its 95 % bootstrap interval (BCa, 9999 resamples, scipy).

    Fewer than three seeds give no interval. With as few as three it is about their range, and covers the true
    median less often than it says: it is shown with the points, not instead of them. Seeds that coincide (truncated
    BPTT draws nothing on influence balancing) give an interval of no width.
    """
    points = np.asarray(values, dtype=float)
    median = float(np.median(points))
    low: float | None = None
    high: float | None = None
    if points.size >= 3:
        if np.ptp(points) == 0:
            low = high = median
        else:
            low, high = _bca(points)
    return Spread(points=tuple(float(x) for x in points), median=median, low=low, high=high)


def _bca(points: np.ndarray) -> tuple[float, float]:
    found = (np.nan, np.nan)
    for method in ("BCa", "percentile"):  # BCa's correction is undefined where every jackknifed median is the same
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interval = stats.bootstrap(
                (points,),
                np.median,
                n_resamples=RESAMPLES,
                confidence_level=CONFIDENCE,
                method=method,
                rng=np.random.default_rng(0),
            ).confidence_interval
        found = (float(interval.low), float(interval.high))
        if np.isfinite(found).all():
            break
    return found


def sign_verdict(found: Spread) -> str:
    """`holds` where the interval lies above 0, `does not hold` where it lies below, else `not settled`."""
    if found.low is None or found.high is None:
        return "not settled"
    return "holds" if found.low > 0 else "does not hold" if found.high < 0 else "not settled"
