"""Verdicts on differences of means: whether there is a lead, or none beyond a margin."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from artbp_exp.evidence.claims.claim import FAILS, HOLDS, OPEN
from artbp_exp.evidence.statistics import CONFIDENCE, Contrast, holm


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """Tests of one experiment, and what they say.

    Attributes:
        tests: key of a claim → the test of its difference; claims that cannot be tested are left out.
        level: keys of the claims that there is no difference; the others claim that it is above 0, and are one family.
        margin: within which there counts as none; None where it is not known.
    """

    tests: Mapping[str, Contrast]
    level: Container[str] = ()
    margin: float | None = None

    @cached_property
    def adjusted(self) -> dict[str, float]:
        """Levels of the family, adjusted together."""
        family = [key for key in self.tests if key not in self.level]
        return dict(zip(family, holm([self.tests[key].p for key in family]), strict=True))

    def of(self, key: str) -> str:
        """A lead holds where its test passes; that there is none, where the whole interval lies within the margin."""
        test = self.tests.get(key)
        if test is None:
            return OPEN
        if key not in self.level:
            return OPEN if self.adjusted[key] >= 1 - CONFIDENCE else HOLDS if test.value > 0 else FAILS
        if self.margin is None:
            return OPEN
        low, high = abs(test.value) - test.half, abs(test.value) + test.half
        return HOLDS if high < self.margin else FAILS if low > self.margin else OPEN


def agreed(views: Iterable[Verdicts], key: str) -> str:
    """The verdict that all views give; `OPEN` where they differ."""
    verdicts = {view.of(key) for view in views}
    return verdicts.pop() if len(verdicts) == 1 else OPEN
