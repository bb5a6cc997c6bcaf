"""Rows on Penn Treebank: which difference each is about, and what a reader should know beside its numbers."""

from collections.abc import Callable
from dataclasses import dataclass

from artbp_exp.evidence.claims.claim import notes
from artbp_exp.evidence.claims.ptb.measured import Ends, Measured, Weights, ahead, paired
from artbp_exp.evidence.ptb_runs import EPOCHS, METHODS, RECIPE, ROUNDING, STATES, TITLE, diverged, late
from artbp_exp.evidence.recipe import recipe
from artbp_exp.runs.load import Run, has_result

AGAIN = f"with the runs of results/{ROUNDING} in the place of those that they repeat"
RESET = (
    "where the state is reset, truncated BPTT is the exact gradient of its own objective, and ARTBP's cuts change the "
    "forward pass: two objectives are compared, and unbiasedness is not tested"
)
SHORT = {True: "carried", False: "reset"}
END = f"mean validation bits per character (bpc) over the last {late(EPOCHS)} epochs"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A difference between methods that a claim is made of.

    Attributes:
        key: of the claim.
        claim: in words.
        source: where it is made.
        paper: whether the paper makes it.
        quantity: what is measured.
        differences: of mean end points, no arm in two of them; their mean is tested, and above 0 agrees with the claim.
        level: whether the claim is that there is no difference.
    """

    key: str
    claim: str
    source: str = "this project"
    paper: bool = False
    quantity: str
    differences: tuple[Weights, ...]
    level: bool = False

    @property
    def weights(self) -> Weights:
        """Arm → its weight in the mean of the differences."""
        return {arm: weight / len(self.differences) for each in self.differences for arm, weight in each.items()}

    @property
    def unit(self) -> str:
        """What its points are."""
        return "pairs" if len(self.differences) > 1 else "seeds"

    def points(self, ends: Ends) -> list[float]:
        """One for each difference and each seed on which all of its arms finished."""
        return [value for weights in self.differences for value in paired(ends, weights).values()]

    def note(self, measured: Measured, *said: str) -> str:
        """Seeds and repeated runs, `said`, what is missing, and what a reset row compares."""
        own, replicates = measured.own, measured.replicates
        seeds = sorted(set().union(*(own.get(arm, {}) for arm in self.weights)))
        repeated = any(len(replicates[arm]) > len(own[arm]) for arm in self.weights if arm in own)
        return notes(
            f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else "",
            f"a run that was run again (results/{ROUNDING}) is one more replicate" if repeated else "",
            *said,
            self._named("diverged", measured, lambda run: run is not None and diverged(run)),
            self._named("missing", measured, lambda run: run is None or not has_result(run)),
            RESET if seeds and any(not carried for _, carried in self.weights) else "",
        )

    def _named(self, title: str, measured: Measured, chosen: Callable[[Run | None], bool]) -> str:
        """Its arms with the seeds that are `chosen`."""
        parts = []
        for method, carried in self.weights:
            runs = measured.runs.get((method, carried), {})
            seeds = [str(seed) for seed in sorted({*recipe(RECIPE).seeds, *runs}) if chosen(runs.get(seed))]
            if seeds:
                parts.append(f"{METHODS[method]} ({SHORT[carried]}) seed {', '.join(seeds)}")
        return f"{title}: {', '.join(parts)}" if parts else ""


ROWS = (
    *(
        Row(
            key=f"lead_{RECIPE}_{SHORT[carried]}",
            claim=f"ARTBP ends ahead of truncated BPTT ({TITLE}; state {state})",
            source="section 6.2",
            paper=True,
            quantity=f"{END}, of truncated BPTT minus ARTBP's; above 0 ARTBP is ahead",
            differences=(ahead("tbptt", carried=carried),),
        )
        for carried, state in STATES.items()
    ),
    Row(
        key="share_of_reset",
        claim=f"ARTBP's lead over truncated BPTT is larger where the state is reset at cuts ({TITLE})",
        source="this project: the authors' code resets it, the paper's text carries it",
        quantity=f"ARTBP's lead in {END}, with the state reset minus with the state carried",
        differences=({**ahead("tbptt", carried=False), ("tbptt", True): -1, ("artbp", True): 1},),
    ),
    Row(
        key="carrying",
        claim=f"Carrying the state across cuts ends worse than resetting it ({TITLE})",
        quantity=(
            f"{END}, with the state carried minus with it reset, mean of the {len(METHODS)} methods; a point for "
            "each method and seed"
        ),
        differences=tuple({(method, True): 1, (method, False): -1} for method in METHODS),
    ),
    Row(
        key="reweighting",
        claim=f"The reweighting changes the end point by less than half of the authors' logged lead ({TITLE})",
        quantity=(
            f"mean validation bpc over the last {late(EPOCHS)} epochs, of random cuts without reweighting minus "
            "ARTBP's, mean of state carried and reset; a point for each state and seed"
        ),
        differences=tuple(ahead("random", carried=carried) for carried in STATES),
        level=True,
    ),
)
