"""One row of the report."""

from dataclasses import dataclass

from artbp_exp.evidence.statistics import Spread

HOLDS, FAILS, OPEN = "holds", "does not hold", "not settled"
MEASURED, NOT_YET = "measured", "not yet measured"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A claim and what was measured of it.

    Attributes:
        key: short name, by which the answers at the head of the report find it.
        claim: in words.
        source: where it is made.
        paper: whether the paper makes it; else it is this project's.
        quantity: what was measured, with its unit.
        found: over the points; None where nothing was measured yet.
        verdict: one of the five above; `MEASURED` where nothing is claimed.
        note: what a reader should know beside the numbers; says what is missing.
        unit: what the points are, in the plural.
    """

    key: str
    claim: str
    source: str = "this project"
    paper: bool = False
    quantity: str
    found: Spread | None
    verdict: str
    note: str = ""
    unit: str = "seeds"

    @property
    def counted(self) -> str:
        """How many points the row rests on, such as `10 seeds` or `1 run`."""
        count = len(self.found.points) if self.found else 0
        return f"{count} {self.unit.removesuffix('s') if count == 1 else self.unit}"


def judged(holds: bool, *, missing: bool) -> str:
    """`NOT_YET` where something is missing, else whether the claim holds."""
    return NOT_YET if missing else HOLDS if holds else FAILS


def notes(*parts: str) -> str:
    """Those that say anything, in one line."""
    return "; ".join(filter(None, parts))


def number(value: float) -> str:
    """Three or four digits, powers of ten where they are shorter."""
    return f"{value:.4g}" if value == 0 or 1e-3 <= abs(value) < 1e4 else f"{value:.2e}"


def interval(found: Spread | None) -> str:
    """`low to high`, or a dash."""
    if found is None or found.low is None or found.high is None:
        return "–"
    return f"{number(found.low)} to {number(found.high)}"
