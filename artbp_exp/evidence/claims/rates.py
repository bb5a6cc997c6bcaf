"""Claims about influence balancing over learning rates, from `results/learning_rates`."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from artbp_exp.evidence.claims.balancing import MEAN, of
from artbp_exp.evidence.claims.claim import NOT_YET, Claim, notes
from artbp_exp.evidence.optimum import NEAR, TINY, distance, off, reached, start
from artbp_exp.evidence.read import grouped
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import Spread, spread, without_chance
from artbp_exp.runs.load import Run, load_runs

NAME = "learning_rates"


def rate_claims(results: Path) -> list[Claim]:
    """The rows on every method over the learning rates of the recipe."""
    runs = load_runs(results / NAME)
    tbptt = {length: of(runs, "tbptt", length) for length in (10, 100, 200)}
    away = (_runs_away(tbptt[length], length) for length in (10, 100))
    return [*away, _control(tbptt[200]), _range(of(runs, "artbp", MEAN), tbptt[100])]


def rates() -> tuple[float, ...]:
    """The learning rates of the recipe, ascending."""
    return tuple(sorted(recipe(NAME).values("optimizer.lr")))


def _runs_away(runs: list[Run], length: int) -> Claim:
    missing, count = _missing(runs), len(rates())
    found, remark = _least(runs, _growth)
    claim = Claim(
        key=f"runs_away_{length}",
        claim=f"Truncated BPTT with L = {length} runs away from θ* at every learning rate",
        source="section 6.1",
        paper=True,
        quantity=(
            f"smallest growth of |θ − θ*|, the distance to θ*, over the {count} learning rates, as "
            f"log₁₀(end/start); above 0 it moved away at all {count}"
        ),
        unit="runs" if remark else "seeds",
    )
    if found is None or missing:
        return claim.measured(found, NOT_YET, notes(missing, remark))
    least = min(runs, key=_growth)
    note = (
        f"{count} learning rates, from {rates()[0]:g} to {rates()[-1]:g}; smallest growth at η = {_rate(least):g}: "
        f"{100 * (10 ** _growth(least) - 1):.2g} %"
    )
    return claim.measured(found, min(found.points) > 0, notes(note, remark))


def _control(runs: list[Run]) -> Claim:
    found, remark = _least(runs, distance)
    working = sorted({_rate(run) for run in runs if reached(run)})
    return Claim(
        key="control",
        claim="Truncated BPTT does converge once L is long enough: L = 200 (control)",
        source="control",
        quantity=f"smallest |θ − θ*| over the {len(rates())} learning rates, end/start",
        unit="runs" if remark else "seeds",
    ).measured(
        found,
        found is not None and max(found.points) < NEAR,
        notes(f"below {NEAR:g} at η = {', '.join(f'{rate:g}' for rate in working)}", remark),
        missing=_missing(runs),
    )


def _range(artbp: list[Run], short: list[Run]) -> Claim:
    members = _by_seed(artbp)
    counts = [sum(map(reached, seeds)) for seeds in members.values()]
    other, total = len({_rate(run) for run in short if reached(run)}), len(rates())
    diverged = {rate: sum(_rate(r) == rate and r.summary["status"] == "diverged" for r in artbp) for rate in rates()}
    said = [f"ARTBP diverges at η = {rate:g} on {n} of {len(members)} seeds" for rate, n in diverged.items() if n]
    return Claim(
        key="range",
        claim="ARTBP converges over a range of learning rates, truncated BPTT with L = 100 at none",
        source="section 6.1",
        paper=True,
        quantity=f"how many of {total} learning rates bring |θ − θ*| below {NEAR:g} of its start in 10⁶ steps",
    ).measured(
        spread(counts),
        min(counts, default=0) > 1 and other == 0,
        notes(
            f"truncated BPTT with L = 100: {other} of {total}",
            *said,
            "holds: more than one with ARTBP on every seed, none with truncated BPTT",
        ),
        missing=notes(_missing(artbp), _missing(short)),
    )


def _growth(run: Run) -> float:
    """log10 of |θ − θ*| at the end over its start; a diverged run counts as its last finite θ."""
    return float(np.log10(max(off(run), TINY) / start(run)))


def _rate(run: Run) -> float:
    return float(run.config["optimizer"]["lr"])


def _missing(runs: Iterable[Run]) -> str:
    """Which cells of the grid of learning rates × seeds are not there, in words; empty where all are."""
    there = {(_rate(run), run.config["seed"]) for run in runs}
    wanted = {(rate, seed) for rate in rates() for seed in recipe(NAME).seeds}
    if not (absent := wanted - there):
        return ""
    at = ", ".join(f"{rate:g}" for rate in sorted({rate for rate, _ in absent}))
    return f"missing: {len(absent)} of {len(wanted)} runs, at η = {at}"


def _by_seed(runs: Iterable[Run]) -> dict[int, list[Run]]:
    return grouped(runs, lambda run: run.config["seed"])


def _least(runs: list[Run], measure: Callable[[Run], float]) -> tuple[Spread | None, str]:
    """The least of a measure over the learning rates, of runs that draw nothing, and the remark that they do not."""
    return without_chance([min(map(measure, members)) for members in _by_seed(runs).values()])
