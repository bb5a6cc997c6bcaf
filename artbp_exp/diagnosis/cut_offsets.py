"""Truncated BPTT with its cuts moved along the data: where they fall is nobody's choice, and the bias depends on it."""

from dataclasses import dataclass, field, fields, replace
from itertools import cycle

import numpy as np

from artbp_exp.truncation import Scheme

MOST_OFFSETS = 8
"""Offsets of the cuts at which truncated BPTT is measured, at most."""


@dataclass(frozen=True, kw_only=True)
class Shifted(Scheme):
    """A scheme without chance, whose first segment of each pass over the data is given.

    Attributes:
        firsts: lengths of the first segment of the first pass, the second, …, in steps; over and over.
        whole: T, by which the beginning of a pass is known.
    """

    firsts: tuple[int, ...]
    whole: int
    _next: "cycle[int]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "_next", cycle(self.firsts))

    def turned(self, by: int) -> "Shifted":
        """The same, that begins with the first segment number `by` of the list, counted around."""
        by %= len(self.firsts)
        return replace(self, firsts=self.firsts[by:] + self.firsts[:by])

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        """See `Scheme.draw`."""
        return min(next(self._next), limit) if limit == self.whole else super().draw(rng, limit)


def shifted(scheme: Scheme, steps: int) -> Shifted:
    """`scheme`, of fixed length L, with cuts at up to 8 offsets spread evenly over 1 … L; the last one is L itself."""
    assert scheme.length is not None
    length = int(scheme.length)
    count = min(MOST_OFFSETS, length)
    kept = {f.name: getattr(scheme, f.name) for f in fields(scheme) if f.init}
    return Shifted(**kept, firsts=tuple(length * k // count for k in range(1, count + 1)), whole=steps)
