"""Are segments as long as the hazard says, with the probabilities it says? Asked number by number, without a draw.

A length n must be drawn where the number that is taken from the random stream lies between P(length < n) and
P(length ≤ n), and P(length > n) = Π_{d ≤ n} (1 − c(d)). These are worked out from the hazard alone: a scheme that draws
with other probabilities than those its factors compensate is biased, however right the factors.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, islice, repeat
from typing import Any

import numpy as np

from artbp_exp.errors import UserError
from artbp_exp.methods.base import Method
from artbp_exp.theory.survival import survival
from artbp_exp.truncation import Scheme, Segment, enumerate_cuts
from artbp_exp.truncation.scheme import Floats, Hazard

INSIDE = 1e-6
"""How far inside an interval its ends are tried, relative to its width."""

SMALLEST = 2.0**-50
"""Nearer to an end than this, rounding decides."""


Drawing = Scheme | Method
"""What draws the segments of a pass: a scheme, as a user's own loop has it; or a method, which may do it otherwise."""


def scheme_of(drawing: Drawing) -> Scheme | None:
    """Whose hazard says with which probabilities; None of a method that does not cut."""
    return drawing if isinstance(drawing, Scheme) else drawing.scheme


class Script:
    """Prescribed numbers in the place of a random stream, and then numbers beyond every cut that is not certain."""

    def __init__(self, numbers: Iterable[float]) -> None:
        self._numbers = iter(numbers)

    def random(self) -> float:
        """What `numpy.random.Generator.random` would have had to return."""
        return next(self._numbers, 1.0 - 2.0**-53)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UserError(f"a scheme must draw each segment with one rng.random(); this one asks for rng.{name}")


@dataclass(frozen=True)
class Lengths:
    """Which numbers give which length, within T steps.

    Attributes:
        beyond: P(length > n) for n = 0 … T − 1: shape (T,), beginning with 1.
        first: the same of the first segment of a pass.
    """

    beyond: Floats
    first: Floats

    @classmethod
    def promised(cls, scheme: Scheme, steps: int) -> "Lengths":
        """By the hazard alone, without the scheme's own tables."""
        return cls(survival(scheme, steps - 1), survival(scheme.at(0), steps - 1))

    @property
    def steps(self) -> int:
        """T."""
        return self.beyond.size

    def interval(self, length: int, limit: int, *, start: int = 1) -> tuple[float, float]:
        """The numbers that give `length` where `limit` steps are left; the end of the data takes all that is longer."""
        beyond = self.beyond if start else self.first
        return 1.0 - beyond[length - 1], 1.0 - (beyond[length] if length < limit else 0.0)

    def numbers(self, lengths: Iterable[int], *, start: int = 0) -> list[float]:
        """A number in the middle of the interval of each length, in order, from step `start` of a pass on."""
        done, found = 0, []
        for length in lengths:
            low, high = self.interval(length, self.steps - done, start=start + done)
            found.append(float(0.5 * (low + high)))
            done += length
        return found

    def outcomes(self, scheme: Scheme) -> Iterator[tuple[tuple[Segment, ...], float]]:
        """Every way to cut the T steps into segments of `scheme` that has a probability above 0 here, with it."""
        later, first = (Scheme(name="as drawn", length=None, hazard=_hazard(b)) for b in (self.beyond, self.first))
        for lengths, probability in enumerate_cuts(replace(later, first=first), self.steps):
            yield tuple(scheme.cut(lengths)), probability


def _hazard(beyond: Floats) -> Hazard:
    keep = np.divide(beyond[1:], beyond[:-1], out=np.ones(beyond.size - 1), where=beyond[:-1] > 0)
    hazard = np.append(1.0 - keep, 0.0)
    return lambda lag: hazard[lag - 1]


def drawn_length(drawing: Drawing, limit: int, number: float, *, start: int = 0) -> int:
    """Length of the segment from step `start` on, with `limit` steps left, when the random stream says `number`."""
    _, segment = _segments(drawing, limit, [number], start=start, most=1)[0]
    length: int = segment.length
    return length


def kinds(drawing: Drawing) -> tuple[int, ...]:
    """Where segments begin that are drawn in one way: 0, the first of a pass, and 1, all others, where they differ."""
    scheme = scheme_of(drawing)
    return (0,) if scheme is None or scheme.first is None else (0, 1)


def measured(drawing: Drawing, steps: int) -> Lengths:
    """What is drawn, whatever was promised: the ends of the intervals, bisected to the last bit."""
    found = []
    for start in kinds(drawing):
        beyond = np.ones(steps)
        for length in range(1, steps):
            low, high = 0.0, 1.0
            while high - low > 2.0**-53:
                middle = 0.5 * (low + high)
                below = drawn_length(drawing, steps, middle, start=start) <= length
                low, high = (middle, high) if below else (low, middle)
            beyond[length] = 1.0 - high if low > 0.0 else 1.0  # no number at all is that low
        found.append(beyond)
    return Lengths(found[-1], found[0])


def misdrawn(drawing: Drawing, lengths: Lengths) -> str | None:
    """Tries a number just inside either end of each length's interval. Returns what is wrong, None if nothing is."""
    steps = lengths.steps
    wrong = _gaps(_segments(drawing, steps, repeat(0.0)), steps)
    if wrong is not None:
        return wrong
    for start in kinds(drawing):
        for length in range(1, steps + 1):
            low, high = lengths.interval(length, steps, start=start)
            margin = max(INSIDE * (high - low), SMALLEST)
            if high - low <= 2 * margin:
                continue  # no number gives this length
            for number in (low + margin, high - margin):
                found = drawn_length(drawing, steps, number, start=start)
                if found != length:
                    return (
                        f"segments are not drawn with the hazard's probabilities: "
                        f"the number {number:.6f} must give {length} steps, and gives {found}"
                    )
    return None


def redrawn(
    drawing: Drawing, lengths: Lengths, outcome: Sequence[Any], *, start: int = 0
) -> tuple[Sequence[Any], str | None]:
    """The segments that a loop is handed where those of `outcome` are to be drawn; and what is wrong with them."""
    wanted = [segment.length for segment in outcome]
    found = _segments(drawing, lengths.steps, lengths.numbers(wanted, start=start), start=start)
    wrong = _gaps(found, lengths.steps, start=start)
    if wrong is not None:
        return outcome, wrong
    drawn = [segment.length for _, segment in found]
    otherwise = f"segments of {wanted} steps were to be drawn, and came out as {drawn}"
    return [segment for _, segment in found], None if drawn == wanted else otherwise


def _segments(
    drawing: Drawing, limit: int, numbers: Iterable[float], *, start: int = 0, most: int | None = None
) -> list[tuple[int, Any]]:
    script: Any = Script(numbers)
    draws: Callable[..., Iterable[tuple[int, Any]]]
    draws = drawing.segments if isinstance(drawing, Scheme) else drawing.draws
    # `start` is handed on only if it is asked for: a user's scheme need not know it
    drawn = draws(start + limit, script, start=start) if start else draws(start + limit, script)
    return list(islice(drawn, limit + 1 if most is None else most))  # one of no steps would never come to an end


def _gaps(found: Sequence[tuple[int, Any]], steps: int, *, start: int = 0) -> str | None:
    """Whether segments leave steps out, or take them twice."""
    pairs = [(begins, segment.length) for begins, segment in found]
    ends = list(accumulate((length for _, length in pairs), initial=start))
    if ends[-1] == start + steps and [begins for begins, _ in pairs] == ends[:-1]:
        return None
    return f"the segments are {pairs} as (start, length) of {steps} steps"
