"""Schemes that are not what their settings say: mean lengths far below L0 on finite data, and cuts that are certain."""

import warnings

import numpy as np

from artbp_exp.checks import setting
from artbp_exp.truncation.scheme import Scheme

SHARE = 0.9
"""Of L0, below which a run is warned."""

ENOUGH = 20
"""Mean lengths that the data must hold: over shorter data every schedule falls short of L0."""


WINDOW = 1 << 16
"""Lags that are looked at together."""

LONGEST = 10_000
"""Steps up to which a scheme is looked at for a certain cut."""


def certain_cut(scheme: Scheme) -> bool:
    """Whether every segment has the same length, the scheme's: the first cut that can be made is made for certain."""
    if scheme.length is None or scheme.length > LONGEST:
        return False
    hazard = scheme.hazard(np.arange(1, int(scheme.length) + 1))
    return bool(hazard[-1] == 1 and not hazard[:-1].any())


def warned(scheme: Scheme) -> Scheme:
    """The scheme, which was asked to reweight: a warning says where all its cuts are certain, as with L0 = `every`."""
    if scheme.reweight and certain_cut(scheme):
        length = setting("length")
        warnings.warn(
            f"{scheme.name} with {length}={scheme.length:g} ends every segment after as many steps, so that there is "
            f"nothing to reweight: this is truncated BPTT, biased; take a greater {length}, above {setting('every')}",
            stacklevel=3,
        )
    return scheme


def mean_within(scheme: Scheme, steps: int, *, enough: float = np.inf) -> float:
    """E[min(N, T)] = Σ_{n < T} P(N > n), in steps: the mean length N of a segment that ends with the data at T.

    The sum ends once it has come to `enough`. The scheme's table is left as it is: T may be very long.
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
    None where nothing is wrong.
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
