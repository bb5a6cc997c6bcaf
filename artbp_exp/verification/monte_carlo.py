"""Statistical certification at full size: does the mean over drawn cuts agree with the full gradient?"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.training.gradient import Gradients
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.probe import Probe

LEAST_DRAWS = 8
MARGIN = 30
"""Exact standard errors beyond which a bias is none of chance: whatever the tails, below one in 900."""

FAMILY = 0.01
"""Probability that any of a run's intervals misses 0 though there is no bias (Bonferroni over all of them)."""

ALONG_G, ALONG_BIAS = "along g", "along the estimated bias"
"""The directions that a bias is measured along."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A relative bias of a parameter group, in one direction.

    Attributes:
        parameter: the group's name.
        direction: what the bias is measured along.
        bias: mean of ⟨ĝ − g, v⟩ / ‖g‖ for a unit vector v.
        low: lower end of its confidence interval.
        high: upper end.
        draws: it rests on.
        error: standard error of `bias` by the exact variance (docs/method.md), an upper bound, rounding included;
            infinite where it is not known.
        shown: share of the exact variance, all parameters together, that the draws show; nan where it is not known.
    """

    parameter: str
    direction: str
    bias: float
    low: float
    high: float
    draws: int
    error: float = math.inf
    shown: float = math.nan

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
        """What is to be made of it, in words."""
        if self.impossible:
            return "BIASED"
        return "ok" if self.holds else "off by these draws"

    @property
    def holds(self) -> bool:
        """Whether the interval contains 0."""
        return self.low <= 0.0 <= self.high


def draws_of(wanted: Any) -> int:
    """`verify.draws`: 0, which leaves them out, or enough of them.

    Raises:
        UserError: it is neither.
    """
    draws = checks.whole("verify.draws", wanted)
    if 0 < draws < LEAST_DRAWS:
        raise UserError(f"verify.draws must be 0 (none) or a whole number ≥ {LEAST_DRAWS}; got {draws}")
    return draws


def monte_carlo(
    probe: Probe,
    *,
    cuts: np.random.Generator,
    draws: int,
    variance: float = math.inf,
    each: Callable[[], object] = lambda: None,
) -> list[Interval]:
    """Confidence intervals of the relative bias, parameter by parameter, along two directions each.

    `along g` tells whether the gradient is too long or too short. `along the estimated bias` takes the
    direction of ĝ − g averaged over the first half of the draws and measures it on the second half, which knows nothing
    of the first: a bias in *any* direction shows there. Student's t; all intervals together miss with probability
    `FAMILY` if ĝ is normal, and far more often if its tails are heavy, as ARTBP's can be: then the draws do not show
    the variance.

    Args:
        probe: at full size.
        cuts: the stream of cuts.
        draws: passes over the probe's task, ≥ 8.
        variance: E‖ĝ − g‖² of one draw, all parameters together, or a bound on it; infinite where it is not known.
        each: called after each draw.

    Raises:
        UserError: too few draws.
    """
    if draws < LEAST_DRAWS:
        raise UserError(f"draws must be a whole number ≥ {LEAST_DRAWS}; got {draws}")
    full = full_bptt(probe.model, probe.task).gradient
    half = draws // 2
    along: dict[str, list[float]] = {name: [] for name in full}
    across: dict[str, list[float]] = {name: [] for name in full}
    off = {name: torch.zeros_like(g, dtype=torch.float64) for name, g in full.items()}
    square = 0.0
    for index, gradients in enumerate(probe.drawn(cuts, draws)):
        for name, difference in _differences(gradients, full):
            square += float(difference.square().sum()) / draws
            along[name].append(_share(difference, full[name], full[name]))
            if index < half:
                off[name] += difference
            else:
                across[name].append(_share(difference, off[name], full[name]))
        each()
    level = 1.0 - FAMILY / (2 * len(full))
    # sums in the training dtype round off, products in mixed precision too; what is below that is not a bias of cuts
    rounding = 1e3 * max(torch.finfo(g.dtype).eps for g in full.values())
    if probe.autocast is not None:
        rounding = max(rounding, torch.finfo(probe.autocast).eps)
    shown = square / variance if 0.0 < variance < math.inf else math.nan
    found = [
        _interval(name, direction, np.asarray(values), level, rounding, _deviation(variance, full[name]))
        for name in full
        for direction, values in ((ALONG_G, along[name]), (ALONG_BIAS, across[name]))
    ]
    return [replace(interval, shown=shown) for interval in found]


def _differences(gradients: Gradients, full: Gradients) -> Iterator[tuple[str, Tensor]]:
    for name, gradient in gradients.items():
        yield name, gradient.double() - full[name].double()


def _share(difference: Tensor, direction: Tensor, full: Tensor) -> float:
    """⟨difference, v⟩ / ‖full‖, v the unit vector along `direction`; 0 where there is no direction."""
    length, size = float(direction.norm()), float(full.norm())
    if length == 0.0 or size == 0.0:
        return 0.0
    return float((difference * direction.double()).sum()) / length / size


def _deviation(variance: float, full: Tensor) -> float:
    size = float(full.norm())
    return math.sqrt(variance) / size if size else math.inf


def _interval(
    name: str, direction: str, values: np.ndarray, level: float, rounding: float, deviation: float
) -> Interval:
    mean = float(values.mean())
    error = float(values.std(ddof=1)) / np.sqrt(values.size)
    margin = float(stats.t.ppf(0.5 + level / 2, values.size - 1)) * error + rounding
    return Interval(
        parameter=name,
        direction=direction,
        bias=mean,
        low=mean - margin,
        high=mean + margin,
        draws=values.size,
        error=deviation / np.sqrt(values.size) + rounding,
    )
