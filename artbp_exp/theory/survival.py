"""What a hazard c(d) implies: survival, carry factors and where segments begin. Uses none of the scheme's own tables.

Verification holds schemes to these formulas, so they are worked out from `scheme.hazard` alone.
"""

import numpy as np

from artbp_exp.truncation import Scheme
from artbp_exp.truncation.scheme import Floats


def hazards(scheme: Scheme, count: int) -> Floats:
    """c(d) for d = 1 … `count`: shape (count,)."""
    return scheme.hazard(np.arange(1, count + 1))


def survival(scheme: Scheme, count: int) -> Floats:
    """P(length > n) = Π_{d ≤ n} (1 − c(d)) for n = 0 … `count`: shape (count + 1,)."""
    return np.concatenate([[1.0], np.cumprod(1.0 - hazards(scheme, count))])


def carry_factors(scheme: Scheme, count: int) -> Floats:
    """1/(1 − c(d)) for d = 1 … `count`; 1 where the cut is certain or the scheme does not reweight: shape (count,)."""
    keep = 1.0 - hazards(scheme, count)
    if not scheme.reweight:
        return np.ones_like(keep)
    factors: Floats = np.divide(1.0, keep, out=np.ones_like(keep), where=keep > 0)
    return factors


def renewal(scheme: Scheme, steps: int) -> Floats:
    """u(a), the probability that a segment begins after step a, for a = 0 … `steps` − 1: shape (steps,).

    u(0) = 1 and u(a) = P(length of the first = a) + Σ_{0 < b < a} u(b)·P(length = a − b), with
    P(length = n) = P(length > n − 1)·c(n).
    """
    hazard, alive = hazards(scheme, steps), survival(scheme, steps)
    first_hazard, first_alive = hazards(scheme.at(0), steps), survival(scheme.at(0), steps)
    begins = np.zeros(steps)
    begins[0] = 1.0
    for a in range(1, steps):
        # from b = 0, the first segment, to b = a − 1
        goes_on = np.append(first_alive[a - 1], alive[: a - 1][::-1])
        ends = np.append(first_hazard[a - 1], hazard[: a - 1][::-1])
        # cumsum adds in order: the sum does not depend on how a library groups its terms
        begins[a] = np.cumsum(begins[:a] * goes_on * ends)[-1]
    return begins
