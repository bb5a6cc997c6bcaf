"""The mean segment length over data of finite length, which a heavy tail can keep far below L0."""

import numpy as np

from artbp_exp.truncation.scheme import Scheme

SHARE = 0.9
"""Of L0, below which a run is warned."""

ENOUGH = 20
"""Mean lengths that the data must hold: over shorter data every schedule falls short of L0."""


WINDOW = 1 << 16
"""Lags that are looked at together."""


def mean_within(scheme: Scheme, steps: int, *, enough: float = np.inf) -> float:
    """E[min(N, T)] = Σ_{n < T} P(N > n), in steps: the mean length N of a segment that ends with the data at T.

    Args:
        scheme: whose hazard decides. Its table is left as it is: T may be very long.
        steps: T ≥ 1, in steps.
        enough: the sum ends once it has come to this.
    """
    mean = alive = 1.0
    for start in range(1, steps, WINDOW):
        survival = alive * np.cumprod(1.0 - scheme.hazard(np.arange(start, min(start + WINDOW, steps))))
        mean, alive = mean + float(survival.sum()), float(survival[-1])
        if mean >= enough or alive == 0.0:
            break
    return mean


def short_mean_warning(scheme: Scheme, steps: int) -> str | None:
    """What to say of a scheme whose segments, over T steps of data, fall well short of `method.length` on average.

    Under the paper's schedule the mean is L0 over infinite data. Near α = 2 so much of it lies in segments longer than
    the data that a run sees far shorter ones: α = 2.01, L0 = 50 and T = 80 000 give 6.2 steps.

    Args:
        scheme: the configured one.
        steps: T, the steps of one pass through the run's data.

    Returns:
        One line for a warning, or None where nothing is wrong.
    """
    if scheme.length is None or steps < ENOUGH * scheme.length:
        return None
    mean = mean_within(scheme, steps, enough=SHARE * scheme.length)
    if mean >= SHARE * scheme.length:
        return None
    return (
        f"over the {steps} steps of this run a segment has {mean:.3g} steps on average, not method.length="
        f"{scheme.length:g}: with α so near 2 most of the mean is in segments longer than the data. Take a larger "
        f"method.alpha (4 or 6), or method.schedule=constant"
    )
