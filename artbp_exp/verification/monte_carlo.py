"""Draws at full size, for information: does the mean over them agree with the full gradient?"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.theory.predicted_variance import predicted_variance
from artbp_exp.training.gradient import Gradients
from artbp_exp.verification.enumeration import Subject, known_bias, pass_over
from artbp_exp.verification.oracle import full_bptt, squared_crossings

LEAST_DRAWS = 8

MARGIN = 30
"""Exact standard errors beyond which a bias is not chance: whatever the tails, its probability is below 1/900."""

FAMILY = 0.01
"""Probability that any of a run's intervals misses 0 though there is no bias (Bonferroni over all of them)."""

ALONG_G, ALONG_BIAS = "along g", "along the estimated bias"
"""The directions that a bias is measured along."""

VISIBLE = 0.5
"""Share of the exact variance below which draws are said not to show it."""

STARTS = 12
"""Places at which segments begin, of which the formula's sum is a sample."""

EXPENSIVE = 2e7
"""Parameters × steps beyond which the variance is not worked out: it would take longer than the draws."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A relative bias of a parameter, in one direction.

    Attributes:
        parameter: its name.
        direction: what the bias is measured along.
        bias: mean of ⟨ĝ − g, v⟩ / ‖g‖ for a unit vector v.
        low: lower end of its confidence interval.
        high: upper end.
        draws: it rests on.
        error: standard error of `bias` by the exact variance (docs/method.md), an upper bound, rounding included;
            infinite where it is not known.
        visible: share of the exact variance, all parameters together, that the draws show; nan where it is not known.
    """

    parameter: str
    direction: str
    bias: float
    low: float
    high: float
    draws: int
    error: float = math.inf
    visible: float = math.nan

    @property
    def half_width(self) -> float:
        """A bias smaller than this may pass unseen: the power of the test."""
        return 0.5 * (self.high - self.low)

    @property
    def impossible(self) -> bool:
        """Whether the bias is beyond what the cuts of a correct scheme may show: P < 1/`MARGIN`² by Chebyshev."""
        return not self.holds and abs(self.bias) > MARGIN * self.error

    @property
    def mark(self) -> str:
        """What it says, in a word or two."""
        return "BIASED" if self.impossible else "ok" if self.holds else "off by these draws"

    @property
    def holds(self) -> bool:
        """Whether the interval contains 0."""
        return self.low <= 0.0 <= self.high


def draws_of(wanted: Any) -> int:
    """`verify.draws`: 0, which leaves them out, or at least `LEAST_DRAWS`."""
    draws = checks.whole("verify.draws", wanted)
    if 0 < draws < LEAST_DRAWS:
        raise UserError(f"verify.draws must be 0 (none) or a whole number ≥ {LEAST_DRAWS}; got {draws}")
    return draws


def drawn(subject: Subject, rng: np.random.Generator) -> Gradients:
    """One draw of the gradient."""
    return pass_over(subject.loop, (draw for _, draw in subject.method.draws(subject.task.steps, rng))).gradient


def monte_carlo(
    subject: Subject,
    *,
    cuts: np.random.Generator,
    draws: int,
    variance: float = math.inf,
    autocast: torch.dtype | None = None,
    each: Callable[[], object] = lambda: None,
) -> list[Interval]:
    """Confidence intervals of the relative bias, parameter by parameter, along two directions each.

    `along g` says whether the gradient is too long or too short. `along the estimated bias` takes the direction of
    ĝ − g averaged over the first half of the draws and measures it on the second half, which is independent of the
    first: a bias in *any* direction shows there. Student's t; all intervals together miss with probability `FAMILY` if
    ĝ is normal, and far more often if its tails are heavy, as ARTBP's can be: then the draws do not show the variance.

    Args:
        subject: at full size.
        cuts: the random stream of the cuts.
        draws: passes over the subject's task, ≥ 8.
        variance: E‖ĝ − g‖² of one draw, all parameters together, or a bound on it; infinite where it is not known.
        autocast: dtype of the matrix products, whose rounding is not a bias of the cuts.
        each: called after each draw.
    """
    if draws < LEAST_DRAWS:
        raise UserError(f"draws must be a whole number ≥ {LEAST_DRAWS}; got {draws}")
    full = {name: g.double() for name, g in full_bptt(subject.model, subject.task).gradient.items()}
    along: dict[str, list[float]] = {name: [] for name in full}
    across: dict[str, list[float]] = {name: [] for name in full}
    off = {name: torch.zeros_like(g) for name, g in full.items()}
    square = 0.0
    for index in range(draws):
        found = drawn(subject, cuts)
        for name, wanted in full.items():
            difference = found[name].double() - wanted
            square += float(difference.square().sum()) / draws
            along[name].append(_share(difference, wanted, wanted))
            if index < draws // 2:
                off[name] += difference
            else:
                across[name].append(_share(difference, off[name], wanted))
        each()
    level = 1.0 - FAMILY / (2 * len(full))
    # sums in the training dtype round off, products in mixed precision too; what is below that is not a bias of cuts
    rounding = 1e3 * max(torch.finfo(parameter.dtype).eps for parameter in subject.model.parameters())
    if autocast is not None:
        rounding = max(rounding, torch.finfo(autocast).eps)
    visible = square / variance if 0.0 < variance < math.inf else math.nan
    intervals = []
    for name, wanted in full.items():
        size = float(wanted.norm())
        deviation = math.sqrt(variance) / size if size else math.inf
        for direction, shares in ((ALONG_G, along[name]), (ALONG_BIAS, across[name])):
            values = np.asarray(shares)
            mean, root = float(values.mean()), math.sqrt(values.size)
            error = float(values.std(ddof=1)) / root
            margin = float(stats.t.ppf(0.5 + level / 2, values.size - 1)) * error + rounding
            intervals.append(
                Interval(
                    parameter=name,
                    direction=direction,
                    bias=mean,
                    low=mean - margin,
                    high=mean + margin,
                    draws=values.size,
                    error=deviation / root + rounding,
                    visible=visible,
                )
            )
    return intervals


def variance_of_one(subject: Subject, draws: int) -> float:
    """Upper end of the 95 % interval of E‖ĝ − g‖² by the formula; infinite where it does not hold or costs too much."""
    scheme, steps = subject.scheme, subject.task.steps
    if scheme is None or scheme.first is not None or known_bias(subject) is not None:
        return math.inf
    if subject.size * steps > EXPENSIVE or steps < 4:
        return math.inf
    full = full_bptt(subject.model, subject.task)
    crossings = squared_crossings(subject.model, full, scheme.factors(steps))
    rng = np.random.default_rng(0)
    # streams=1: all streams together, as they share their cuts
    return predicted_variance(scheme, steps, crossings, streams=1, starts=STARTS, draws=draws, rng=rng).high


def explained(intervals: list[Interval]) -> str:
    """What the intervals are, and whether the draws show the variance that they have."""
    visible = intervals[0].visible
    if math.isnan(visible):
        what = "information only: their variance is not known"
    elif visible < VISIBLE:
        what = f"information only: heavy tails, these draws show {visible:.0%} of the exact variance"
    else:
        what = f"Student's t, {100 * (1 - FAMILY):g} % interval for all rows together"
    return (
        f"  relative bias with its interval, not part of the verdict unless far outside it ({what});\n"
        f"  {ALONG_G}: is the gradient too long or too short; {ALONG_BIAS}: in the direction in which the first\n"
        f"  half of the draws is off, measured on the second half"
    )


def _share(difference: Tensor, direction: Tensor, full: Tensor) -> float:
    """⟨difference, v⟩ / ‖full‖, v the unit vector along `direction`; 0 where there is no direction."""
    length, size = float(direction.norm()), float(full.norm())
    if length == 0.0 or size == 0.0:
        return 0.0
    return float((difference * direction).sum()) / length / size
