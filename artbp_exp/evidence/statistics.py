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
    median less often than it says: it is shown with the points, not instead of them.
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


def bare(values: Sequence[float]) -> Spread:
    """Points and median without an interval: for values that are no sample of anything (sizes, lengths, settings)."""
    return Spread(points=tuple(map(float, values)), median=float(np.median(values)), low=None, high=None)


def without_chance(values: Sequence[float]) -> tuple[Spread, str]:
    """Of runs that draw nothing, and so give the same for every seed: a single point, and the remark that says so.

    Seeds that differ after all are seeds, with their interval and no remark.
    """
    if len(values) > 1 and np.ptp(values) != 0:
        return spread(values), ""
    return bare(values[:1]), "deterministic: its seeds coincide"


def level(points: Sequence[float]) -> float | None:
    """Two-sided level of the t-test that the mean is 0; None below three points, or where they all coincide."""
    if len(points) < 3 or np.ptp(points) == 0:
        return None
    return float(stats.ttest_1samp(points, 0.0).pvalue)


def holm(levels: Sequence[float]) -> list[float]:
    """Levels of a family of tests, adjusted so that one below α is a false alarm in at most a share α of families.

    The i-th smallest of m, from 0, becomes the largest of (m − j)·p_j over j ≤ i, at most 1 (Holm 1979). Tests may
    depend on one another.
    """
    order = np.argsort(levels)
    adjusted = np.empty(len(levels))
    adjusted[order] = np.maximum.accumulate(np.asarray(levels)[order] * np.arange(len(levels), 0, -1)).clip(max=1)
    return [float(p) for p in adjusted]


def sign_verdict(found: Spread, p: float | None) -> str:
    """`holds` where the points lie above 0, `does not hold` where below, else `not settled`.

    Asks for both: the interval of the median excludes 0, and `p` is below 5 %. With three seeds the interval alone is
    about their range: without any effect it would exclude 0 in a quarter of all cases.

    Args:
        found: the points.
        p: level of their t-test, adjusted if it is one of a family; None where there is none.
    """
    if found.low is None or found.high is None or p is None or p >= 1 - CONFIDENCE:
        return "not settled"
    return "holds" if found.low > 0 else "does not hold" if found.high < 0 else "not settled"
