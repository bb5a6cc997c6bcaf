"""Are segments as long as the hazard says, with the probabilities it says? Asked of the learner, number by number.

A length n is to be drawn where the number that is taken from the stream of cuts lies between P(length < n) and
P(length ≤ n), and P(length > n) = Π_{d ≤ n} (1 − c(d)). These are worked out here from the hazard alone: a scheme that
draws with other probabilities than those its factors make up for is biased, however right the factors.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from artbp_exp.theory.survival import survival
from artbp_exp.training.gradient import Gradients
from artbp_exp.truncation import Scheme, enumerate_cuts
from artbp_exp.truncation.scheme import Floats
from artbp_exp.verification.probe import Probe

INSIDE = 1e-6
"""How far inside an interval its ends are tried, relative to its width."""

SMALLEST = 2.0**-50
"""Nearer to an end than this, rounding decides."""


class Lengths:
    """Which numbers give which length, within T steps.

    Args:
        beyond: P(length > n) for n = 0 … T − 1: shape (T,), beginning with 1.
    """

    def __init__(self, beyond: Floats) -> None:
        self.beyond = beyond

    @property
    def steps(self) -> int:
        """T."""
        return self.beyond.size

    def interval(self, length: int, limit: int) -> tuple[float, float]:
        """The numbers that give `length` where `limit` steps are left; the end of the data takes all that is longer."""
        return 1.0 - self.beyond[length - 1], 1.0 - (self.beyond[length] if length < limit else 0.0)

    def numbers(self, pattern: Sequence[int]) -> list[float]:
        """A number in the middle of the interval of each length of a pattern."""
        left, found = self.steps, []
        for length in pattern:
            low, high = self.interval(length, left)
            found.append(float(0.5 * (low + high)))
            left -= length
        return found

    def patterns(self) -> Iterator[tuple[tuple[int, ...], float]]:
        """Every way to cut the T steps that has a probability above 0, with it."""
        keep = np.divide(self.beyond[1:], self.beyond[:-1], out=np.ones(self.steps - 1), where=self.beyond[:-1] > 0)
        hazard = np.append(1.0 - keep, 0.0)
        scheme = Scheme(name="as drawn", length=None, hazard=lambda lag: hazard[lag - 1])
        return enumerate_cuts(scheme, self.steps)


def promised(scheme: Scheme, steps: int) -> Lengths:
    """What the hazard says, and none of the scheme's own tables."""
    return Lengths(survival(scheme, steps - 1))


def measured(probe: Probe) -> Lengths:
    """What the learner draws, whatever was promised: the ends of the intervals, bisected to the last bit."""
    steps = probe.task.steps
    beyond = np.ones(steps)
    for length in range(1, steps):
        low, high = 0.0, 1.0
        while high - low > 2.0**-53:
            middle = 0.5 * (low + high)
            low, high = (middle, high) if probe.first(middle) <= length else (low, middle)
        beyond[length] = 1.0 - high if low > 0.0 else 1.0  # no number at all is that low
    return Lengths(beyond)


class Drawing(Protocol):
    """Something that draws segments."""

    def first(self, number: float) -> int:
        """Length of the first segment, in steps, when the stream of cuts says `number`."""
        ...


def misdrawn(probe: Drawing, lengths: Lengths) -> str | None:
    """Tries a number just inside either end of each length's interval. Returns what is wrong, None if nothing is."""
    steps = lengths.steps
    for length in range(1, steps + 1):
        low, high = lengths.interval(length, steps)
        margin = max(INSIDE * (high - low), SMALLEST)
        if high - low <= 2 * margin:
            continue  # no number gives this length
        for number in (low + margin, high - margin):
            found = probe.first(number)
            if found != length:
                return (
                    f"segments are not drawn with the hazard's probabilities: "
                    f"the number {number:.6f} must give {length} steps, and gives {found}"
                )
    return None


def along(probe: Probe, lengths: Lengths, pattern: Sequence[int]) -> tuple[Gradients, str | None]:
    """The gradient with the cuts of a pattern; and what is wrong, if the learner cut in another way."""
    gradients, found = probe.following(lengths.numbers(pattern))
    if found == Counter(pattern):
        return gradients, None
    return gradients, f"segments of {list(pattern)} steps were to be drawn, and came out as {sorted(found.elements())}"
