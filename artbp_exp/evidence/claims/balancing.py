"""Claims about influence balancing, from `results/influence_balancing`: ARTBP converges, and what it costs."""

import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from artbp_exp.evidence.claims.claim import Claim
from artbp_exp.evidence.optimum import NEAR, distance, reached
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import spread
from artbp_exp.runs.load import Run, load_runs

NAME = "influence_balancing"
MEAN = 16
"""L0 of ARTBP, and L of the truncated BPTT that its cost is compared with, in steps."""

SAME_COST = 0.02
"""Relative difference in the cost of an update up to which it counts as the same."""


def balancing_claims(results: Path) -> Iterator[Claim]:
    """The rows on ARTBP at the learning rate of the recipe."""
    runs = of(load_runs(results / NAME), "artbp", MEAN)
    yield Claim(
        key="converges",
        claim=f"ARTBP with segments of {MEAN} steps on average converges, on every seed",
        source="section 6.1",
        paper=True,
        quantity="|θ − θ*| after 10⁶ steps, over what it was at the start",
    ).measured(
        spread(map(distance, runs)),
        all(map(reached, runs)),
        f"holds: below {NEAR:g} on every seed",
        missing=_missing(runs),
    )
    with_segments = [run for run in runs if _has_segments(run)]
    costs = [run.steps_per_segment() / MEAN for run in with_segments]
    yield Claim(
        key="cost",
        claim="An update of ARTBP costs, on average, what one of truncated BPTT of the same length costs",
        source="abstract",
        paper=True,
        quantity=f"steps of forward and backward computation per update, over L0 = {MEAN}",
    ).measured(
        spread(costs),
        all(abs(cost - 1) < SAME_COST for cost in costs),
        f"holds: within {100 * SAME_COST:g} % of 1 on every seed",
        missing=_missing(with_segments),
    )
    stored = [run.stored_steps() / ((MEAN - 1) / 2) for run in with_segments]
    yield Claim(
        key="memory",
        claim="ARTBP holds more steps in memory than truncated BPTT of the same length, because lengths vary",
        quantity=f"mean number of stored steps, over that of truncated BPTT with L = {MEAN}, (L − 1)/2",
    ).measured(
        spread(stored),
        all(ratio > 1 for ratio in stored),
        "for segments of random length N it is E[N(N − 1)]/(2 E[N]), about L0(α − 2)/(α − 3); here α = 6",
        missing=_missing(with_segments),
    )


def of(runs: list[Run], method: str, length: float) -> list[Run]:
    """The runs of one method and length, in the order of their seeds."""
    chosen = [r for r in runs if r.config["method"]["name"] == method and r.config["method"].get("length") == length]
    return sorted(chosen, key=lambda run: run.config["seed"])


def _missing(runs: Iterable[Run]) -> str:
    absent = sorted(set(recipe(NAME).seeds) - {run.config["seed"] for run in runs})
    return f"missing: seed {', '.join(map(str, absent))}" if absent else ""


def _has_segments(run: Run) -> bool:
    """Whether the lengths that a run drew are there. Warns where they are not: the run is missing from their rows."""
    file = run.path / "segments.csv"
    if not file.is_file():
        warnings.warn(f"{file} is not there: its run counts as missing where it is needed; restore it", stacklevel=2)
    return file.is_file()
