"""What a scheme stores, averaged over time: the quantity at which schedules are to be compared."""

import numpy as np
from scipy.optimize import brentq

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme

HORIZON = 20_000
"""Lags summed over one by one; beyond, P(N > n) is continued as the power of n that it falls with there."""


def mean_stored(scheme: Scheme) -> float:
    """M = E[N(N − 1)] / (2 E[N]), N the length of a segment: stored steps, averaged over time (docs/method.md).

    By E[N] = Σ_n P(N > n) and E[N(N − 1)]/2 = Σ_n n·P(N > n). Infinite where no cut is ever made.
    """
    if scheme.length is None:
        return float("inf")
    survival = scheme.survival(HORIZON)
    first, second = survival.sum(), (np.arange(HORIZON + 1) * survival).sum()
    last = float(survival[-1])
    if last > 0:
        # P(N > n) ∝ n^−p with p = n·c(n): Σ_{n > H} P ≈ H·P(N > H)/(p − 1), and with a factor n, H²·P(N > H)/(p − 2)
        power = HORIZON * float(scheme.hazard(np.array([HORIZON]))[0])
        if power <= 2:
            return float("inf")
        first += HORIZON * last / (power - 1)
        second += HORIZON**2 * last / (power - 2)
    return float(second / first)


def with_memory(method: dict[str, object], wanted: float) -> dict[str, object]:
    """The settings of `method` at the mean length at which M is `wanted` steps.

    Raises:
        UserError: there is no such length (for the paper's schedule, α must be above 3).
    """
    if method["name"] == "tbptt":
        return {**method, "length": round(2 * wanted + 1)}

    def excess(length: float) -> float:
        return mean_stored(registry.build("method", {**method, "length": length})) - wanted

    longest = 4 * wanted + 4
    if not 0 < excess(longest) < float("inf"):
        raise UserError(f"no length gives {method} a mean memory of {wanted:g} steps; take α > 3.2, say")
    length = brentq(excess, 1.0, longest, xtol=1e-3)
    return {**method, "length": round(float(length), 3)}
