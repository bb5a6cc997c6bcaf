"""End points of the Penn Treebank runs, and differences between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from artbp_exp.evidence.ptb_runs import METHODS, RECIPE, ROUNDING, STATES, Arm, Arms, arms, end_points
from artbp_exp.evidence.statistics import Contrast, Spread, contrast, estimate

Weights = Mapping[Arm, float]
"""Arm → its weight in a difference of mean end points."""

Ends = dict[Arm, dict[int, float]]
"""Arm → seed → end point."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The runs and their end points.

    Attributes:
        runs: those of the recipe, ended or not.
        own: end points of these.
        again: the same with the runs of `ROUNDING` in the place of those of the same arm and seed.
        replicates: arm → every end point; a run that was run again counts as two.
    """

    runs: Arms
    own: Ends
    again: Ends
    replicates: dict[Arm, list[float]]

    @classmethod
    def of(cls, results: Path) -> "Measured":
        """Reads them."""
        runs = arms(results / RECIPE)
        own, repeated = _ends(runs), _ends(arms(results / ROUNDING))
        other = {arm: {s: v for s, v in repeated.get(arm, {}).items() if s in ends} for arm, ends in own.items()}
        return cls(
            runs=runs,
            own=own,
            again={arm: ends | other[arm] for arm, ends in own.items()},
            replicates={arm: [*ends.values(), *other[arm].values()] for arm, ends in own.items()},
        )

    def test(self, weights: Weights) -> Contrast | None:
        """The contrast over all replicates."""
        return contrast(self.replicates, weights)


def _ends(found: Arms) -> Ends:
    return {arm: end_points(runs) for arm, runs in found.items()}


def paired(ends: Ends, weights: Weights) -> dict[int, float]:
    """Seed → Σ weight · end point, for the seeds on which all of the arms finished."""
    seeds = set.intersection(*(set(ends.get(arm, {})) for arm in weights))
    return {seed: sum(weight * ends[arm][seed] for arm, weight in weights.items()) for seed in sorted(seeds)}


def ahead(other: str, *, carried: bool) -> Weights:
    """ARTBP's lead over another method."""
    return {(other, carried): 1, ("artbp", carried): -1}


@dataclass(frozen=True, kw_only=True)
class Lead:
    """ARTBP's lead over a method.

    Attributes:
        carried: whether the state is carried across cuts.
        method: that ARTBP is compared with, a key of `METHODS`.
        lead: of each seed, with its mean and interval.
        repeated: of the seeds with repeated runs, with these in the place of those that they repeat.
    """

    carried: bool
    method: str
    lead: Spread
    repeated: tuple[float, ...] = ()


def leads(results: Path) -> list[Lead]:
    """ARTBP's lead over each method, where there are pairs; for the figure."""
    measured, found = Measured.of(results), []
    for carried, method in product(STATES, [method for method in METHODS if method != "artbp"]):
        weights = ahead(method, carried=carried)
        own, again = paired(measured.own, weights), paired(measured.again, weights)
        lead = estimate(list(own.values()), measured.test(weights))
        if lead is not None:
            repeated = tuple(again[seed] for seed in own if again[seed] != own[seed])
            found.append(Lead(carried=carried, method=method, lead=lead, repeated=repeated))
    return found
