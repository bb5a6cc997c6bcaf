"""What a scheme stores, averaged over time: the quantity at which schedules are to be compared.

M = E[N(N − 1)] / (2 E[N]), N the length of a segment. With S(n) = P(N > n), E[N] = Σ S(n) and E[N(N − 1)]/2 = Σ n·S(n).
Both schedules of ARTBP have 1/c(d) = u + v·d, a straight line (the paper's: u = L0·(α − 2)/(α − 1), v = 1/(α − 1);
constant: u = L0, v = 0). Then S(n)·(u + v·n) − S(n + 1)·(u + v·(n + 1)) = (1 − v)·S(n), which telescopes:

    Σ_{n ≥ m} S(n) = (u + v·m)·S(m)/(1 − v),    E[N] = u/(1 − v)                       for v < 1, else infinite
    Σ n·S(n) = Σ_{m ≥ 1} Σ_{n ≥ m} S(n) = u·(E[N] − 1)/(1 − 2v)                         for v < ½, else infinite

so that M = (L0 − 1)·(α − 2)/(α − 3) for the paper's schedule and L0 − 1 for the constant one. With `every` = k a length
is k times one of mean L0/k: M is k times that one's, plus (k − 1)/2.
"""

from collections.abc import Mapping

import numpy as np
from scipy.optimize import brentq

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme

HORIZON = 20_000
"""Lags summed over one by one, at least; beyond, 1/c goes on as a straight line, as it is in both schedules."""

LONGEST = 4_000_000
"""Lags summed over, at most."""

ROUNDING = 1e-9
"""Of a slope worked out from hazards."""


def mean_stored(scheme: Scheme) -> float:
    """M, in steps: exact if 1/c(d) is a straight line beyond the horizon, over the lags that may be cut at.

    Infinite where no cut is ever made, and where the tail of the lengths is too heavy (the paper's schedule at α ≤ 3).
    """
    if scheme.length is None:
        return float("inf")
    length = int(scheme.length)
    if scheme.hazard(np.array([length]))[0] == 1 and not scheme.hazard(np.arange(1, min(length, HORIZON))).any():
        return (length - 1) / 2  # each of them
    horizon = max(HORIZON, min(4 * length, LONGEST))
    hazard, survival = scheme.hazard(np.arange(1, horizon + 1)), scheme.survival(horizon)
    first, second = survival.sum(), np.arange(horizon + 1) @ survival
    if survival[-1] > 0:
        lags = np.flatnonzero(hazard) + 1
        last = int(lags[-1]) if lags.size > 2 else 0
        apart = int(lags[-1] - lags[-2]) if last else horizon
        if last + apart <= horizon:
            return float("inf")  # no cuts beyond
        blocks, more = _beyond(1 / hazard[lags - 1])
        # of all lags from the last cut on, n = last + apart·j + i with i < apart, and P(N > n) that of j cuts survived
        goes_on = survival[last]
        first = survival[:last].sum() + goes_on * apart * blocks
        inner = apart**2 * more + apart * (apart - 1) / 2 * blocks
        second = np.arange(last) @ survival[:last] + goes_on * (last * apart * blocks + inner)
    return float(second / first)


def _beyond(inverse: np.ndarray) -> tuple[float, float]:
    """Σ S(j) and Σ j·S(j) of the cuts that are still survived after those with 1/c = `inverse`."""
    # over the later half: any hazard may begin as it likes
    half = inverse.size // 2
    start = float(inverse[-1])
    slope = max((start - float(inverse[half - 1])) / (inverse.size - half), 0.0)
    mean = start / (1 - slope) if slope < 1 - ROUNDING else float("inf")
    return mean, start * (mean - 1) / (1 - 2 * slope) if slope < 0.5 - ROUNDING else float("inf")


def with_memory(method: Mapping[str, object], wanted: float) -> dict[str, object]:
    """The settings of `method` at the mean length at which M is `wanted` steps.

    Raises:
        UserError: there is no such length (for the paper's schedule, α must be above 3).
    """
    if method["name"] == "tbptt":
        return {**method, "length": round(2 * wanted + 1)}

    def excess(length: float) -> float:
        return mean_stored(registry.build("method", {**method, "length": length})) - wanted

    # M is at least L0 − k + (k − 1)/2 where the hazard does not rise, and no more than that at the shortest length, k
    shortest = float(str(method.get("every", 1)))
    longest = wanted + shortest + 1
    if not excess(shortest) <= 0 < excess(longest) < float("inf"):
        raise UserError(f"no length gives {dict(method)} a mean memory of {wanted:g} steps; take an α above 3")
    length = brentq(excess, shortest, longest, xtol=1e-9)
    return {**method, "length": float(f"{length:.6g}")}
