"""ARTBP: cut at random, reweight what is carried on (Tallec & Ollivier 2017, arXiv 1705.08209)."""

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.truncation.scheme import Floats, Scheme


def build(*, length: float, schedule: str = "paper", alpha: float | None = None, reweight: bool = True) -> Scheme:
    """Anticipated reweighted truncated backpropagation.

    `schedule=paper` (the paper's eq. 14): c(d) = (α − 1) / ((α − 2)·L0 + d), with mean length exactly L0 and
    P(length > n) falling as n^−(α−1). `schedule=constant`: c(d) = 1 / L0, geometric lengths.

    Args:
        length: the mean segment length L0, in steps.
        schedule: `paper` or `constant`.
        alpha: the exponent α of the paper's schedule (larger: lighter tail, fewer very long segments).
        reweight: false leaves the carried gradient uncompensated (random cuts, an ablation; biased).

    Raises:
        UserError: `length` < 1, `alpha` ≤ 2 with the paper's schedule, or an unknown schedule.
    """
    mean = checks.number("method.length", length, at_least=1)
    checks.choice("method.schedule", schedule, ["paper", "constant"])
    checks.flag("method.reweight", reweight)

    if schedule == "constant":

        def hazard(lag: NDArray[np.int64]) -> Floats:
            return np.full(lag.shape, 1.0 / mean)
    else:
        if alpha is None:
            raise UserError("method.alpha must be a number > 2 with method.schedule=paper; got null")
        exponent = checks.number("method.alpha", alpha)
        if exponent <= 2:
            raise UserError(
                f"method.alpha must be > 2 with method.schedule=paper (the mean segment length is infinite "
                f"at 2); got {alpha!r}: take 4 or 6, or method.schedule=constant"
            )

        def hazard(lag: NDArray[np.int64]) -> Floats:
            bounded: Floats = np.minimum(1.0, (exponent - 1.0) / ((exponent - 2.0) * mean + lag))
            return bounded

    return Scheme(name="artbp", length=mean, hazard=hazard, reweight=reweight)
