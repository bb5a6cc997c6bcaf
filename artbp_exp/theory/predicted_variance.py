"""The exact variance estimated from a sample of its terms, with an interval; and what sharing cuts costs."""

from dataclasses import dataclass

import numpy as np

from artbp_exp.theory.exact_variance import Crossings
from artbp_exp.theory.places import WIDTH, Places
from artbp_exp.theory.survival import renewal
from artbp_exp.truncation import Scheme

VISIBLE = 10
"""Segments among the draws that must reach a lag before the measured variance can show what happens there."""


@dataclass(frozen=True, kw_only=True)
class PredictedVariance:
    """Σ_t E[c_t/(1 − c_t)·‖ε_t G_t‖²], estimated from some places where a segment may begin.

    Attributes:
        variance: in the gradient's unit, squared.
        low: of its 95 % interval over places.
        high: likewise.
        error: its standard error, widened so that ± 1.96 of it is that interval.
        kappa: κ = ‖E Y‖²/E‖Y‖² for the streams' crossing gradients Y, from pairs of different streams, so that the
            estimate can be below 0. nan for a single stream.
        kappa_low: of its 95 % interval over places; it knows nothing of streams that were not measured.
        kappa_high: likewise.
        rare: share of `variance` at lags that fewer than 10 segments of all the draws would reach, which the draws
            cannot show.
    """

    variance: float
    low: float
    high: float
    error: float
    kappa: float
    kappa_low: float
    kappa_high: float
    rare: float


def predicted_variance(
    scheme: Scheme, steps: int, crossings: Crossings, *, streams: int, starts: int, draws: int, rng: np.random.Generator
) -> PredictedVariance:
    """Samples beginnings a evenly over the window and lags d in strata; the estimate is exact on average.

    The sum is Σ_a u(a) Σ_d P(length ≥ d)·c(d)/(1 − c(d))·‖ε_{a+d} G_{a+d}‖², u the renewal probability. One lag is
    drawn uniformly from each of 1, 2, 3, 4, 5, 6, 7–8, 9–10, 11–13, …: long lags are rare but weigh most, and would be
    missed if they were drawn by their probability. (Interpolating between fixed lags would be wrong where the last
    factor jumps from step to step, as it does on text.)

    Args:
        scheme: reweighted, with hazards below 1.
        steps: T ≥ 3.
        crossings: of the model, at fixed parameters and data.
        streams: B; κ needs 2 or more.
        starts: how many beginnings, at least 4.
        draws: gradients that the prediction is to be compared with.
        rng: chooses beginnings and lags.
    """
    hazard, survival = scheme.hazard(np.arange(1, steps)), scheme.survival(steps)
    begins = renewal(scheme, steps)
    # the first segment begins at 0 for certain, the others somewhere: at 0 only the lags are sampled
    firsts = max(2, starts // 6)
    places = Places(steps=steps, firsts=firsts, others=starts - firsts)
    # segments of all draws that last to each lag and beyond
    reached = draws * survival[: steps - 1] * np.cumsum(begins)[: steps - 1][::-1]
    shared, separate, rare = np.zeros(starts), np.zeros(starts), np.zeros(starts)
    for index, start in enumerate(places.drawn(rng)):
        edges = lag_edges(steps - 1 - int(start))
        widths = np.diff(edges)
        lags = rng.integers(edges[:-1] + 1, edges[1:] + 1)
        together, apart = crossings(int(start), [int(start + lag) for lag in lags])
        odds = hazard[lags - 1] / (1 - hazard[lags - 1])
        weight = widths * begins[start] * survival[lags - 1] * odds
        shared[index], separate[index] = weight @ together, weight @ apart
        rare[index] = (weight * (reached[lags - 1] < VISIBLE)) @ together

    variance, error = places.total(shared), places.error(shared)
    kappa, its_error = _kappa(shared, separate, places, streams)
    return PredictedVariance(
        variance=variance,
        low=max(variance - WIDTH * error, 0.0),
        high=variance + WIDTH * error,
        error=error,
        kappa=kappa,
        kappa_low=kappa - WIDTH * its_error,
        kappa_high=kappa + WIDTH * its_error,
        rare=places.total(rare) / variance if variance > 0 else 0.0,
    )


def lag_edges(longest: int) -> np.ndarray:
    """Ends of the strata of lags: 0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, … and `longest`."""
    wanted = np.geomspace(1, longest, 2 + int(3 * np.log2(longest))).round()
    return np.unique(np.concatenate([[0], wanted, [longest]])).astype(int)


def _kappa(shared: np.ndarray, separate: np.ndarray, places: Places, streams: int) -> tuple[float, float]:
    """(κ, its standard error): variance with shared cuts / with separate ones = 1 + (B − 1)κ."""
    apart = places.total(separate)
    if streams == 1 or apart == 0:
        return float("nan"), float("nan")
    ratio = places.total(shared) / apart
    # to first order the error of a ratio of totals is that of the total of its residuals
    return (ratio - 1) / (streams - 1), places.error(shared - ratio * separate) / apart / (streams - 1)
