"""Intervals for a handful of seeds, and differences between means with a pooled noise."""

import warnings
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999

Cell = TypeVar("Cell", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A measured quantity.

    Attributes:
        points: every value, one a seed, say.
        center: their median, or a mean (`statistic`).
        low: lower end of its interval; None where there is none.
        high: upper end.
        statistic: what `center` is.
    """

    points: tuple[float, ...]
    center: float
    low: float | None = None
    high: float | None = None
    statistic: str = "median"


def spread(values: Iterable[float]) -> Spread | None:
    """Median with its 95 % bootstrap interval (BCa, 9999 resamples, scipy); no interval below three values.

    With as few as three it is about their range, and covers the true median less often than it says.
    """
    found = bare(values)
    if found is None or len(found.points) < 3:
        return found
    points = np.array(found.points)
    low, high = (found.center, found.center) if np.ptp(points) == 0 else _bca(points)
    return replace(found, low=low, high=high)


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


def bare(values: Iterable[float]) -> Spread | None:
    """Points and median without an interval: for values that are no sample of anything (sizes, lengths, settings)."""
    points = tuple(map(float, values))
    return Spread(points=points, center=float(np.median(points))) if points else None


def without_chance(values: Sequence[float]) -> tuple[Spread | None, str]:
    """Of runs that draw nothing, and so give the same for every seed: a single point, and the remark that says so.

    Seeds that differ after all are seeds, with their interval and no remark.
    """
    if len(set(values)) != 1:
        return spread(values), ""
    return bare(values[:1]), "deterministic: its seeds coincide"


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A weighted sum of cell means.

    Attributes:
        value: of the sum.
        error: its standard error.
        freedom: degrees of freedom of the pooled variance.
        noise: the pooled standard deviation of a single run.
    """

    value: float
    error: float
    freedom: int
    noise: float

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval."""
        return float(self.error * stats.t.isf((1 - CONFIDENCE) / 2, self.freedom))

    @property
    def p(self) -> float:
        """Two-sided level of the test that the sum is 0."""
        return float(2 * stats.t.sf(abs(self.value) / self.error, self.freedom))


def contrast(cells: Mapping[Cell, Sequence[float]], weights: Mapping[Cell, float]) -> Contrast | None:
    """Σ_k w_k·mean_k, with one noise for all cells: s² = Σ_k SS_k / Σ_k (n_k − 1), error² = s² Σ_k w_k²/n_k.

    A standard deviation of three runs says little, so every cell of an experiment helps to estimate the noise, whether
    or not the sum weighs it. Runs are taken as independent: that some share a seed is not used.

    Args:
        cells: cell → its replicates.
        weights: cell → weight, for the cells of the sum.

    Returns:
        None where a weighed cell has no replicate, or no cell has two that differ.
    """
    filled = {cell: np.asarray(values, dtype=float) for cell, values in cells.items() if len(values)}
    freedom = sum(values.size - 1 for values in filled.values())
    if freedom < 1 or not weights.keys() <= filled.keys():
        return None
    squares = sum(float(((values - values.mean()) ** 2).sum()) for values in filled.values())
    noise = float(np.sqrt(squares / freedom))
    if noise == 0:
        return None
    value = sum(weight * float(filled[cell].mean()) for cell, weight in weights.items())
    error = noise * float(np.sqrt(sum(weight**2 / filled[cell].size for cell, weight in weights.items())))
    return Contrast(value=value, error=error, freedom=freedom, noise=noise)


def contrasts(
    cells: Mapping[Cell, Sequence[float]], weights: Mapping[str, Mapping[Cell, float]]
) -> dict[str, Contrast]:
    """Key → the contrast with its weights, of those that can be tested."""
    return {key: test for key, each in weights.items() if (test := contrast(cells, each)) is not None}


def estimate(points: Iterable[float], test: Contrast | None) -> Spread | None:
    """The points, and the estimate and interval of their test where there is one."""
    found = bare(points)
    if found is None or test is None:
        return found
    low, high = test.value - test.half, test.value + test.half
    return replace(found, center=test.value, low=low, high=high, statistic="mean")


def holm(levels: Sequence[float]) -> list[float]:
    """Levels of a family of tests, adjusted so that one below α is a false alarm in at most a share α of families.

    The i-th smallest of m, from 0, becomes the largest of (m − j)·p_j over j ≤ i, at most 1 (Holm 1979). Tests may
    depend on one another.
    """
    order = np.argsort(levels)
    adjusted = np.empty(len(levels))
    adjusted[order] = np.maximum.accumulate(np.asarray(levels)[order] * np.arange(len(levels), 0, -1)).clip(max=1)
    return [float(p) for p in adjusted]
