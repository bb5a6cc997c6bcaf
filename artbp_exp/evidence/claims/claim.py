"""One row of the report."""

from dataclasses import dataclass, replace

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
        quantity: what is measured, with its unit.
        unit: what the points are, in the plural.
        found: over the points; None where nothing was measured yet.
        verdict: one of the five above; `MEASURED` where nothing is claimed.
        note: what a reader should know beside the numbers; says what is missing.
    """

    key: str
    claim: str
    source: str = "this project"
    paper: bool = False
    quantity: str
    unit: str = "seeds"
    found: Spread | None = None
    verdict: str = NOT_YET
    note: str = ""

    def measured(self, found: Spread | None, verdict: bool | str, note: str = "", *, missing: str = "") -> "Claim":
        """The claim with what was measured.

        Args:
            found: over the points.
            verdict: one of the five above, or whether the claim holds.
            note: beside the numbers; the claim's own where there is none.
            missing: which runs are, in words; where there are such, the claim has no verdict, and this is its note.
        """
        if missing:
            return replace(self, found=found, note=missing)
        words = verdict if isinstance(verdict, str) else HOLDS if verdict else FAILS
        return replace(self, found=found, verdict=words, note=note or self.note)

    @property
    def counted(self) -> str:
        """How many points the row rests on, such as `10 seeds` or `1 run`."""
        count = len(self.found.points) if self.found else 0
        return f"{count} {self.unit.removesuffix('s') if count == 1 else self.unit}"


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
