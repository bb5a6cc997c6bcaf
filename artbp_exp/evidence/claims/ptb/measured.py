"""End points of the Penn Treebank runs, and differences between them."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from artbp_exp.evidence.ptb_runs import STATES, TIERS, Arm, Arms, Tier, end_points
from artbp_exp.evidence.statistics import Contrast, Spread, bare, contrast

Weights = Mapping[Arm, float]
"""Arm → its weight in a difference of mean end points."""

Ends = dict[Arm, dict[int, float]]
"""Arm → seed → end point."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A tier's runs and their end points.

    Attributes:
        runs: its own.
        own: end points of these.
        again: the same with the runs of `ROUNDING` in the place of those of the same arm and seed.
        replicates: arm → every end point; a run that was run again counts as two.
    """

    runs: Arms
    own: Ends
    again: Ends
    replicates: dict[Arm, list[float]]

    @classmethod
    def of(cls, tier: Tier, results: Path) -> "Measured":
        """Reads a tier."""
        runs, repeated = tier.load(results), end_points(tier.repeated(results))
        own = end_points(runs)
        other = {arm: {s: v for s, v in repeated.get(arm, {}).items() if s in ends} for arm, ends in own.items()}
        return cls(
            runs=runs,
            own=own,
            again={arm: ends | other[arm] for arm, ends in own.items()},
            replicates={arm: [*ends.values(), *other[arm].values()] for arm, ends in own.items()},
        )

    def tests(self, weights: Weights) -> tuple[Contrast | None, Contrast | None]:
        """The contrast over all replicates, and with the repeated runs in the place of those of their seeds."""
        again = {arm: list(ends.values()) for arm, ends in self.again.items()}
        return contrast(self.replicates, weights), contrast(again, weights)


def paired(ends: Ends, weights: Weights) -> dict[int, float]:
    """Seed → Σ weight · end point, for the seeds on which all of the arms finished."""
    seeds = set.intersection(*(set(ends.get(arm, {})) for arm in weights))
    return {seed: sum(weight * ends[arm][seed] for arm, weight in weights.items()) for seed in sorted(seeds)}


def ahead(other: str, *, carried: bool) -> Weights:
    """ARTBP's lead over another method."""
    return {(other, carried): 1, ("artbp", carried): -1}


def estimate(points: list[float], test: Contrast | None) -> Spread | None:
    """The points, and the estimate and interval of their test where there is one."""
    if not points or test is None:
        return bare(points) if points else None
    low, high = test.value - test.half, test.value + test.half
    return Spread(points=tuple(points), center=test.value, low=low, high=high, statistic="mean")


@dataclass(frozen=True, kw_only=True)
class Lead:
    """ARTBP's lead over a method.

    Attributes:
        heading: the model and its state.
        method: that ARTBP is compared with, a key of `METHODS`.
        lead: of each seed, with its mean and interval.
        repeated: of the seeds with repeated runs, with these in the place of those that they repeat.
    """

    heading: str
    method: str
    lead: Spread
    repeated: tuple[float, ...] = ()


def leads(results: Path) -> list[Lead]:
    """ARTBP's lead over each method, where there are pairs; for the figure."""
    found = []
    for tier in TIERS:
        measured = Measured.of(tier, results)
        for carried, other in product(tier.carried, tier.methods[1:]):
            weights = ahead(other, carried=carried)
            own, again = paired(measured.own, weights), paired(measured.again, weights)
            lead = estimate(list(own.values()), measured.tests(weights)[0])
            if lead is not None:
                repeated = tuple(again[seed] for seed in own if again[seed] != own[seed])
                heading = f"{tier.title}; state {STATES[carried]}"
                found.append(Lead(heading=heading, method=other, lead=lead, repeated=repeated))
    return found
