"""Rows on Penn Treebank: which difference each is about, and what a reader should know beside its numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from artbp_exp.evidence.claims.claim import notes
from artbp_exp.evidence.claims.ptb.measured import Ends, Measured, Weights, ahead, paired
from artbp_exp.evidence.claims.ptb.notes import RESET, lacking
from artbp_exp.evidence.ptb_runs import ROUNDING, STATES, Tier, late

AGAIN = f"with the runs of results/{ROUNDING} in the place of those that they repeat"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A difference between methods that a claim is made of.

    Attributes:
        key: of the claim.
        tier: the family of its runs.
        claim: in words.
        source: where it is made.
        paper: whether the paper makes it.
        quantity: what is measured.
        weights: arm → its weight in the difference of mean end points; above 0 agrees with the claim.
        points: the differences that make a point for each seed; by default `weights` alone.
    """

    key: str
    tier: Tier
    claim: str
    source: str = "this project"
    paper: bool = False
    quantity: str
    weights: Weights
    points: tuple[Weights, ...] = ()

    def each(self, ends: Ends) -> list[float]:
        """A point for each difference and each seed on which all of its arms finished."""
        return [value for weights in self.points or (self.weights,) for value in paired(ends, weights).values()]


def rows_of(tier: Tier) -> Iterator[Row]:
    """The rows of a tier that are tested together."""
    end = f"mean validation bits per character (bpc) over the last {late(tier.settings['task.epochs'])} epochs"
    for carried in tier.carried:
        yield Row(
            key=f"lead_{tier.name}_{'carried' if carried else 'reset'}",
            tier=tier,
            claim=f"ARTBP ends ahead of truncated BPTT ({tier.title}; state {STATES[carried]})",
            source="section 6.2",
            paper=True,
            quantity=f"{end}, of truncated BPTT minus ARTBP's; above 0 ARTBP is ahead",
            weights=ahead("tbptt", carried=carried),
        )
    if len(tier.carried) < 2:
        return
    yield Row(
        key="share_of_reset",
        tier=tier,
        claim=f"ARTBP's lead over truncated BPTT is larger where the state is reset at cuts ({tier.title})",
        source="this project: the authors' code resets it, the paper's text carries it",
        quantity=f"ARTBP's lead in {end}, with the state reset minus with the state carried",
        weights={**ahead("tbptt", carried=False), ("tbptt", True): -1, ("artbp", True): 1},
    )
    worse = tuple({(method, True): 1.0, (method, False): -1.0} for method in tier.methods)
    yield Row(
        key="carrying",
        tier=tier,
        claim=f"Carrying the state across cuts ends worse than resetting it ({tier.title})",
        quantity=(
            f"{end}, with the state carried minus with it reset, mean of the {len(tier.methods)} methods; a point for "
            "each method and seed"
        ),
        weights={arm: weight / len(tier.methods) for weights in worse for arm, weight in weights.items()},
        points=worse,
    )


def row_note(row: Row, measured: Measured, *said: str) -> str:
    """Seeds and repeated runs, `said`, what is missing, and what a reset row compares."""
    seeds = sorted(set().union(*(measured.own.get(arm, {}) for arm in row.weights)))
    repeated = any(len(measured.replicates[arm]) > len(measured.own[arm]) for arm in row.weights if arm in measured.own)
    return notes(
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else "",
        f"a run that was run again (results/{ROUNDING}) is one more replicate" if repeated else "",
        *said,
        *lacking(row.tier, measured.runs, list(row.weights)),
        RESET if seeds and any(not carried for _, carried in row.weights) else "",
    )
