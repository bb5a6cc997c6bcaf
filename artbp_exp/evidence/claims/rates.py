"""Claims about influence balancing over learning rates, from `results/learning_rates`."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from artbp_exp.evidence.claims.balancing import MEAN, of
from artbp_exp.evidence.claims.claim import Claim, judged, notes
from artbp_exp.evidence.optimum import NEAR, distance, reached, start
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import Spread, spread, without_chance
from artbp_exp.runs.load import Run, load_runs

NAME = "learning_rates"
TINY = 1e-17
"""Least distance from θ* that is told from 0."""


def rate_claims(results: Path) -> list[Claim]:
    """The rows on every method over the learning rates of the recipe."""
    runs = load_runs(results / NAME)
    return [*(_runs_away(of(runs, "tbptt", length), length) for length in (10, 100)), *_converge(runs)]


def rates() -> tuple[float, ...]:
    """The learning rates of the recipe, ascending."""
    return tuple(sorted(recipe(NAME).values("optimizer.lr")))


def _runs_away(runs: list[Run], length: int) -> Claim:
    absent, count = _gaps(runs), len(rates())
    found, remark = _least(runs, _growth)
    note = absent
    if found is not None and not absent:
        least = min(runs, key=_growth)
        note = (
            f"{count} learning rates, from {rates()[0]:g} to {rates()[-1]:g}; smallest growth at η = {_rate(least):g}: "
            f"{100 * (10 ** _growth(least) - 1):.2g} %"
        )
    return Claim(
        key=f"runs_away_{length}",
        claim=f"Truncated BPTT with L = {length} runs away from θ* at every learning rate",
        source="section 6.1",
        paper=True,
        quantity=(
            f"smallest growth of |θ − θ*|, the distance to θ*, over the {count} learning rates, as "
            f"log₁₀(end/start); above 0 it moved away at all {count}"
        ),
        found=found,
        unit="runs" if remark else "seeds",
        verdict=judged(found is not None and min(found.points) > 0, missing=found is None or bool(absent)),
        note=notes(note, remark),
    )


def _converge(runs: list[Run]) -> Iterator[Claim]:
    control, artbp, short = (of(runs, *arm) for arm in (("tbptt", 200), ("artbp", MEAN), ("tbptt", 100)))
    found, remark = _least(control, distance)
    working = sorted({_rate(run) for run in control if reached(run)})
    yield Claim(
        key="control",
        claim="Truncated BPTT does converge once L is long enough: L = 200 (control)",
        source="control",
        quantity=f"smallest |θ − θ*| over the {len(rates())} learning rates, end/start",
        found=found,
        unit="runs" if remark else "seeds",
        verdict=judged(found is not None and max(found.points) < NEAR, missing=bool(_gaps(control))),
        note=notes(_gaps(control) or f"below {NEAR:g} at η = {', '.join(f'{rate:g}' for rate in working)}", remark),
    )
    members = _by_seed(artbp)
    counts = [sum(map(reached, seeds)) for seeds in members.values()]
    other, total = len({_rate(run) for run in short if reached(run)}), len(rates())
    diverged = {rate: sum(_rate(r) == rate and r.summary["status"] == "diverged" for r in artbp) for rate in rates()}
    said = [f"ARTBP diverges at η = {rate:g} on {n} of {len(members)} seeds" for rate, n in diverged.items() if n]
    absent = notes(_gaps(artbp), _gaps(short))
    yield Claim(
        key="range",
        claim="ARTBP converges over a range of learning rates, truncated BPTT with L = 100 at none",
        source="section 6.1",
        paper=True,
        quantity=f"how many of {total} learning rates bring |θ − θ*| below {NEAR:g} of its start in 10⁶ steps",
        found=spread(counts) if counts else None,
        verdict=judged(min(counts, default=0) > 1 and other == 0, missing=not counts or bool(absent)),
        note=absent
        or notes(
            f"truncated BPTT with L = 100: {other} of {total}",
            *said,
            "holds: more than one with ARTBP on every seed, none with truncated BPTT",
        ),
    )


def _growth(run: Run) -> float:
    """log10 of |θ − θ*| at the end over its start; a diverged run counts as its last finite θ."""
    theta = run.summary["theta"]
    end = abs(theta - run.summary["theta_optimal"]) if theta is not None else float("inf")
    return float(np.log10(max(end, TINY) / start(run)))


def _rate(run: Run) -> float:
    return float(run.config["optimizer"]["lr"])


def _gaps(runs: Iterable[Run]) -> str:
    """Which cells of the grid of learning rates × seeds are not there, in words; empty where all are."""
    there = {(_rate(run), run.config["seed"]) for run in runs}
    wanted = {(rate, seed) for rate in rates() for seed in recipe(NAME).seeds}
    if not (absent := wanted - there):
        return ""
    at = ", ".join(f"{rate:g}" for rate in sorted({rate for rate, _ in absent}))
    return f"missing: {len(absent)} of {len(wanted)} runs, at η = {at}"


def _by_seed(runs: Iterable[Run]) -> dict[int, list[Run]]:
    found: dict[int, list[Run]] = {}
    for run in runs:
        found.setdefault(run.config["seed"], []).append(run)
    return found


def _least(runs: list[Run], measure: Callable[[Run], float]) -> tuple[Spread | None, str]:
    """The least of a measure over the learning rates, of runs that draw nothing, and the remark that they do not."""
    if not runs:
        return None, ""
    return without_chance([min(map(measure, members)) for members in _by_seed(runs).values()])
