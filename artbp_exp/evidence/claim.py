"""One row of the claims table."""

from dataclasses import dataclass

from artbp_exp.evidence.statistics import Spread

NOT_YET = "not yet measured"
MEASURED = "measured"
"""Of a row that shows a quantity and claims nothing of it."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim and what was measured of it.

    Attributes:
        claim: in words.
        source: where it is made.
        quantity: what was measured, with its unit.
        spread: over the points; None where nothing was measured yet.
        verdict: `holds`, `does not hold`, `not settled`, `measured` (nothing is claimed) or `not yet measured`.
        command: that reproduces the row.
        note: what a reader should know beside the numbers; says what is missing.
        group: heading under which the row stands.
        unit: what the points are, in the plural.
    """

    claim: str
    source: str
    quantity: str
    spread: Spread | None
    verdict: str
    command: str
    note: str = ""
    group: str = ""
    unit: str = "seeds"

    @property
    def seeds(self) -> int:
        """How many points the row rests on: seeds, where nothing else is said in `unit`."""
        return len(self.spread.points) if self.spread else 0

    @property
    def counted(self) -> str:
        """The same with its unit, such as `10 seeds` or `1 run`."""
        return f"{self.seeds} {self.unit.removesuffix('s') if self.seeds == 1 else self.unit}"


def number(value: float) -> str:
    """Three or four digits, powers of ten where they are shorter."""
    return f"{value:.4g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def interval(spread: Spread | None) -> str:
    """`low to high`, or a dash."""
    if spread is None or spread.low is None or spread.high is None:
        return "–"
    return f"{number(spread.low)} to {number(spread.high)}"
