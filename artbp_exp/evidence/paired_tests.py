"""A family of paired comparisons, tested together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from artbp_exp.evidence.statistics import Spread, holm, level, spread


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A comparison over seeds, and the levels of its t-test that the mean is 0.

    Attributes:
        values: seed → difference.
        p: level of the test by itself; None where there is none.
        adjusted: the same after Holm's correction over the family.
        family: how many tests the family has.
    """

    values: Mapping[int, float]
    p: float | None
    adjusted: float | None
    family: int

    @property
    def measured(self) -> Spread | None:
        """Median and interval; None where nothing was measured."""
        return spread(list(self.values.values())) if self.values else None


def tested(family: Sequence[Mapping[int, float]]) -> list[Tested]:
    """Each comparison with its levels; one of too few seeds to be tested does not count in the family."""
    levels = [level(list(values.values())) for values in family]
    known = [p for p in levels if p is not None]
    corrected = iter(holm(known))
    return [
        Tested(values=values, p=p, adjusted=None if p is None else next(corrected), family=len(known))
        for values, p in zip(family, levels, strict=True)
    ]
