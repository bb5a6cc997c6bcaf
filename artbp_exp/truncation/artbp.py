"""ARTBP: cut at random, reweight what is carried on (Tallec & Ollivier 2017, arXiv 1705.08209).

Equation numbers are those of the paper, second hand: from public re-implementations.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.truncation.mean_length import warned
from artbp_exp.truncation.scheme import Floats, Hazard, Scheme

LARGEST = 1e6
"""Exponent beyond which the paper's schedule is the constant one for all lengths that are ever drawn."""


def build(
    *,
    length: float,
    schedule: str = "paper",
    alpha: float | None = None,
    reweight: bool = True,
    every: int = 1,
    memory: int | None = None,
) -> Scheme:
    """Anticipated reweighted truncated backpropagation.

    `schedule=paper` (the paper's eq. 14): c(d) = (α − 1) / ((α − 2)·L0 + d), with mean length exactly L0 and
    P(length > n) falling as n^−(α−1). Near α = 2 that mean is reached over very long data only (`mean_length`).
    `schedule=constant`: c(d) = 1 / L0, geometric lengths.
    At L0 = 1 every step ends a segment, which is truncated BPTT (as L0 = `every` is): a warning says so.
    With `every` = k cuts are allowed after every k-th step of a segment only: c(k·j) is the schedule's c(j) for the
    mean L0 / k, and c = 0 in between. The mean length is still L0 and the gradient still unbiased.

    Args:
        length: the mean segment length L0, in steps.
        schedule: `paper` or `constant`.
        alpha: the exponent α of the paper's schedule (larger: lighter tail, fewer very long segments).
        reweight: false leaves the carried gradient uncompensated (random cuts, an ablation; biased).
        every: k, in steps; a kernel that runs k steps at once then needs no factor inside (engine=vendor).
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.

    Raises:
        UserError: `length` < `every`, a value out of range, `alpha` ≤ 2 or > `LARGEST` with the paper's schedule, or an
            unknown schedule.
    """
    every = checks.whole("every", every, at_least=1)
    mean = checks.number("length", length, at_least=1)
    if mean < every:
        raise UserError(
            f"{checks.setting('length')} must be at least {checks.setting('every')}={every} (cuts are that far apart); "
            f"got {length!r}"
        )
    blocks = mean / every
    checks.choice("schedule", schedule, ["paper", "constant"])
    checks.flag("reweight", reweight)

    hazard: Hazard
    name, paper, constant = (checks.setting(key) for key in ("alpha", "schedule=paper", "schedule=constant"))
    if schedule == "constant":
        hazard = partial(_constant, 1.0 / blocks)
    else:
        if alpha is None:
            raise UserError(f"{name} must be a number > 2 with {paper}; got none: take 4 or 6, or {constant}")
        exponent = checks.number("alpha", alpha)
        if not 2 < exponent <= LARGEST:
            raise UserError(
                f"{name} must be > 2 with {paper}, and at most {LARGEST:g} (by then it is the constant hazard); got "
                f"{alpha!r}. At 2 the hazard c(1) is 1 and every segment has length 1: take 4 or 6, or {constant}"
            )
        hazard = partial(_paper, exponent, blocks)
    if every > 1:
        hazard = partial(_sparse, hazard, every)
    return warned(Scheme(name="artbp", length=mean, hazard=hazard, reweight=reweight, memory=memory))


# functions of the module, not of `build`: a scheme can be pickled, for a worker process, say


def _constant(chance: float, lag: NDArray[np.int64]) -> Floats:
    return np.full(lag.shape, chance)


def _paper(alpha: float, length: float, lag: NDArray[np.int64]) -> Floats:
    bounded: Floats = np.minimum(1.0, (alpha - 1.0) / ((alpha - 2.0) * length + lag))
    return bounded


def _sparse(hazard: Hazard, every: int, lag: NDArray[np.int64]) -> Floats:
    return np.where(lag % every == 0, hazard(lag // every), 0.0)
