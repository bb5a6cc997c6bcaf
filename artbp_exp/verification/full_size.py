"""Full size without a draw, so without variance: lengths and factors lag by lag, and prescribed cuts against an oracle.

A short sequence says nothing of a cap, or of a clipped factor, at long lags only. So each length is asked for at every
lag, and the factors of a segment are read off it. Then the run's model, in float64 on a window of its data, is handed
prescribed segments, long ones beyond `method.memory` among them: its gradient must be, to rounding, that of the
compensated recursion, which the oracle works out by plain autograd from the hazard alone. The run as it is, in its own
precision, takes other kernels: it is handed the same segments, and must have that gradient to its own rounding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from artbp_exp.theory.survival import carry_factors, survival
from artbp_exp.truncation import Scheme
from artbp_exp.truncation.scheme import Floats
from artbp_exp.verification.draws import Drawing, Lengths, kinds, misdrawn, redrawn, scheme_of
from artbp_exp.verification.enumeration import Subject, pass_over, relative_bias
from artbp_exp.verification.oracle import compensated

MEANS = 20
"""Mean lengths out to which lags are tried, at least."""

BEYOND = 50
"""Steps beyond `method.memory` that are tried, at least."""

LEAST, MOST = 100, 20_000
"""Lags that are tried at least and at most: the most takes some seconds."""

RAREST = 2.0**-48
"""A segment that goes on with a smaller probability never comes: numbers are drawn in steps of 2⁻⁵³."""

FACTOR_TOLERANCE = 1e-9
"""Relative, of the product of as many factors as there are lags."""

TOLERANCE = 1e-11
"""Relative to a parameter's gradient: rounding in float64 of sums over hundreds of steps, amplified by the factors."""

ROUNDED = {torch.float32: 1e-3, torch.bfloat16: 0.05}
"""The same, by the dtype of a run's products. Measured: below 10⁻⁵ and 2 %; without the factors, 10 % and more."""

FEW_MEANS = 4
"""Mean lengths that the window of data has at least, where `MEANS` of them would take long."""

CHEAP = 1e7
"""Parameters × steps up to which `MEANS` mean lengths take seconds."""

CEILING = 2_000
"""Steps of the window at most."""

SHORT = 3
"""Steps of the short segments."""

EXPENSIVE = 3e8
"""Parameters × steps beyond which one pattern is tried instead of three: short segments and a long one."""


@dataclass(frozen=True, kw_only=True)
class Lags:
    """What was found lag by lag.

    Attributes:
        count: lags that were tried, 1 … `count`.
        why: what bounds them, in words.
        misdrawn: how lengths are drawn otherwise than the hazard says; None if they are not.
        factor_error: largest relative difference of an accumulated factor from Π 1/(1 − c(d)).
        wrong_from: segment length from which factors are wrong; None if they are not.
    """

    count: int
    why: str
    misdrawn: str | None
    factor_error: float
    wrong_from: int | None

    @property
    def reason(self) -> str | None:
        """Why it is refuted; None if it is not."""
        if self.misdrawn is not None:
            return f"at full size {self.misdrawn}"
        if self.wrong_from is not None:
            return (
                f"at full size the factors are not 1/(1 − c(d)): from step {self.wrong_from} of a segment on, "
                f"off by up to {self.factor_error:.1%} in their product"
            )
        return None


def lags_of(scheme: Scheme, limit: int) -> tuple[int, str]:
    """How many lags are tried: `MEANS` mean lengths, `BEYOND` steps past the memory, `LEAST`; and what bounds them.

    At most `limit`, the T of the run, in steps.
    """
    wanted = max(LEAST, MEANS * int(np.ceil(scheme.length or 0)), (scheme.memory or 0) + BEYOND)
    count = min(wanted, limit, MOST)
    why = "20 mean lengths, 50 steps past method.memory, and 100, whichever is the most"
    if count < wanted:
        why = "the sequence has no more" if count == limit else f"never more than {MOST}"
    within = longest(scheme, count)
    return (count, why) if within == count else (within, "longer segments are never drawn")


def lag_by_lag(drawing: Drawing, *, limit: int) -> Lags:
    """Lengths and factors at every lag out to `lags_of`: a short sequence knows nothing of a cap at long lags.

    That the gradient is multiplied by these factors, and by nothing else, is for `enumeration` and `prescribed`.
    `limit` is T of the run, in steps.
    """
    scheme = scheme_of(drawing)
    assert scheme is not None
    count, why = lags_of(scheme, limit)
    # one more step than the longest segment, so that its end is a cut and not the end of the data
    wrong = misdrawn(drawing, Lengths.promised(scheme, min(count + 1, limit)))
    # of the segments that are not the first of a pass, where these are drawn otherwise
    start = kinds(drawing)[-1]
    segments, otherwise = redrawn(drawing, Lengths.promised(scheme, count), [scheme.segment(count)], start=start)
    carried = np.concatenate([np.append(segment.factors, 0.0) for segment in segments])[:-1]  # 0 at a cut
    # the products of the factors from step t on, for t = 1 … count; the last step has none
    found, wanted = (
        np.append(np.cumprod(factors[::-1])[::-1], 1.0) for factors in (carried, carry_factors(scheme, count - 1))
    )
    return Lags(
        count=count,
        why=why,
        misdrawn=wrong or otherwise,
        factor_error=float(np.abs(found / wanted - 1.0).max()),
        wrong_from=_first_wrong(found, wanted),
    )


def _first_wrong(found: Floats, wanted: Floats) -> int | None:
    """The first step after which a factor is wrong, by the ratios of neighbouring products."""
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.abs((found[:-1] / found[1:]) / (wanted[:-1] / wanted[1:]) - 1.0)
    wrong = np.flatnonzero(~(off <= FACTOR_TOLERANCE))
    return int(wrong[0]) + 1 if wrong.size else None


def named(dtype: torch.dtype) -> str:
    """As a setting has it: `float32`."""
    return str(dtype).removeprefix("torch.")


@dataclass(frozen=True, kw_only=True)
class Held:
    """A pattern of cuts, and how far the method's gradient is from the recursion's.

    Attributes:
        pattern: lengths of the segments, in steps.
        off: parameter → ‖ĝ − recursion‖ / ‖recursion‖.
        otherwise: how segments were drawn in another way; None if they were not.
        products: dtype of the method's matrix products.
    """

    pattern: tuple[int, ...]
    off: dict[str, float]
    otherwise: str | None
    products: torch.dtype = torch.float64

    def holds(self, name: str) -> bool:
        """Whether a parameter's gradient is the recursion's, to rounding."""
        return self.otherwise is None and self.off[name] < ROUNDED.get(self.products, TOLERANCE)

    @property
    def reason(self) -> str | None:
        """Why it is refuted; None if it is not."""
        if self.otherwise is not None:
            return f"at full size {self.otherwise}"
        wrong = [name for name in self.off if not self.holds(name)]
        if not wrong:
            return None
        worst = max(wrong, key=lambda name: self.off[name])
        return (
            f"at full size, in segments of {' + '.join(map(str, self.pattern))} steps, the gradient of {worst} in "
            f"{named(self.products)} is off by {self.off[worst]:.1e} from the compensated recursion"
        )


def prescribed(subject: Subject, *others: tuple[Subject, torch.dtype]) -> list[Held]:
    """Holds the method's gradient against the recursion's on each pattern of `patterns_of`.

    Args:
        subject: the run's model, in float64, on a window of its data; its method has a scheme.
        others: the same in another precision, each with the dtype of its products.
    """
    scheme, steps = subject.scheme, subject.task.steps
    assert scheme is not None
    lengths = Lengths.promised(scheme, steps)
    factors = [carry_factors(one, steps).tolist() for one in (scheme.at(0), scheme)]
    held = []
    for pattern in patterns_of(scheme, steps, subject.size):
        wanted = compensated(subject.model, subject.task, pattern, lambda start: factors[min(start, 1)])
        for one, products in ((subject, torch.float64), *others):
            segments, otherwise = redrawn(one.method, lengths, scheme.cut(pattern))
            off = relative_bias(pass_over(one.loop, segments).gradient, wanted)
            held.append(Held(pattern=pattern, off=off, otherwise=otherwise, products=products))
    return held


def window_steps(scheme: Scheme, limit: int, size: int) -> int:
    """Steps of the window: 50 past the memory, 4 or 20 mean lengths, at least 100; at most `CEILING`, and T of the run.

    That is `limit`. The `size` of the model, in parameters, decides what a step costs.
    """
    length = round(scheme.length or 0)
    means = MEANS if size * MEANS * length <= CHEAP else FEW_MEANS
    wanted = max(LEAST, means * length, (scheme.memory or 0) + BEYOND)
    return min(wanted, limit, CEILING)


def patterns_of(scheme: Scheme, steps: int, size: int) -> list[tuple[int, ...]]:
    """No cut; one in the middle; a short segment, a long one and what is left. As near to that as the hazard allows.

    Of a model of many parameters (`size`) the last pattern only.
    """
    found = {_nearest(scheme, steps, wanted) for wanted in ((SHORT, steps - 2 * SHORT), (steps // 2,), ())}
    if size * steps > EXPENSIVE:
        found = {_nearest(scheme, steps, (SHORT, steps - 2 * SHORT))}
    return sorted(found)


def _nearest(scheme: Scheme, steps: int, wanted: Sequence[int]) -> tuple[int, ...]:
    """The wanted lengths, or the nearest that can be drawn; then the longest that can, up to the end of the data."""
    most = [longest(s, steps) for s in (scheme.at(0), scheme)]
    ends = [
        1 + np.flatnonzero(s.hazard(np.arange(1, m + 1)) > 0) for s, m in zip((scheme.at(0), scheme), most, strict=True)
    ]
    done, pattern = 0, []
    for length in [*wanted, *[steps] * steps]:
        left, kind = steps - done, min(done, 1)
        if not ends[kind].size or (left <= most[kind] and length >= left):
            break
        length = int(ends[kind][np.abs(ends[kind] - length).argmin()])
        if length >= left:
            break
        pattern.append(length)
        done += length
    return (*pattern, steps - done)


def longest(scheme: Scheme, steps: int) -> int:
    """Length of the longest segment, in steps, that is ever drawn within `steps` steps, but for the first of a pass."""
    return int((survival(scheme, steps - 1) > RAREST).sum())
