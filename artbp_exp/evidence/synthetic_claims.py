"""Claims about influence balancing, from `results/influence_balancing` and `results/learning_rates`."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from artbp_exp.evidence.claim import NOT_YET, Claim
from artbp_exp.evidence.statistics import Spread, spread, without_chance
from artbp_exp.runs.load import Run, load_runs

GROUP = "Influence balancing"
NEAR = 0.01
"""|θ − θ*|, over what it was at the start, that counts as having reached θ*; the phase diagrams count the same way."""

LEARNING_RATES = (1e-6, 3e-6, 1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
SEEDS_OF_RATES = range(5)
SEEDS = range(10)
"""What the recipes `learning_rates` and `influence_balancing` run."""

RATES = "artbp-run -m experiment=learning_rates"
BALANCING = "artbp-run -m experiment=influence_balancing"


def synthetic_claims(results: Path) -> list[Claim]:
    """The rows on influence balancing."""
    rates = load_runs(results / "learning_rates")
    runs = load_runs(results / "influence_balancing")
    return [*_truncated(rates), _converges(runs), _rates(rates), *_cost(runs)]


def of(runs: list[Run], method: str, length: float) -> list[Run]:
    """The runs of one method and length, in the order of their seeds."""
    chosen = [r for r in runs if r.config["method"]["name"] == method and r.config["method"].get("length") == length]
    return sorted(chosen, key=lambda run: run.config["seed"])


def distance(run: Run) -> float:
    """|θ − θ*| at the end over |θ − θ*| at the start; infinite where the run diverged."""
    theta = run.summary["theta"]
    if run.summary["status"] == "diverged" or theta is None:
        return float("inf")
    return float(abs(theta - run.summary["theta_optimal"])) / _start(run)


def growth(run: Run) -> float:
    """log10 of the same ratio; a diverged run counts as its last finite θ."""
    theta = run.summary["theta"]
    end = abs(theta - run.summary["theta_optimal"]) if theta is not None else float("inf")
    return float(np.log10(max(end, 1e-17) / _start(run)))


def _start(run: Run) -> float:
    return float(abs(run.config["model"]["theta"] - run.summary["theta_optimal"]))


def _rate(run: Run) -> float:
    return float(run.config["optimizer"]["lr"])


def gaps(runs: Iterable[Run]) -> str:
    """Which cells of the grid of learning rates × seeds are not there, in words; empty where all are."""
    there = {(_rate(run), run.config["seed"]) for run in runs}
    wanted = {(rate, seed) for rate in LEARNING_RATES for seed in SEEDS_OF_RATES}
    absent = wanted - there
    if not absent:
        return ""
    rates = sorted({rate for rate, _ in absent})
    return f"missing: {len(absent)} of {len(wanted)} runs, at η = {', '.join(f'{rate:g}' for rate in rates)}"


def by_seed(runs: Iterable[Run]) -> dict[int, list[Run]]:
    """Seed → its runs, in the order of learning rates."""
    found: dict[int, list[Run]] = {}
    for run in sorted(runs, key=_rate):
        found.setdefault(run.config["seed"], []).append(run)
    return dict(sorted(found.items()))


def _truncated(rates: list[Run]) -> Iterator[Claim]:
    grid = f"{len(LEARNING_RATES)} learning rates, from {LEARNING_RATES[0]:g} to {LEARNING_RATES[-1]:g}"
    for length in (10, 100):
        chosen = of(rates, "tbptt", length)
        absent = gaps(chosen)
        found, remark = _certain(chosen, growth)
        note = _sentences(absent, remark)
        if found is not None and not absent:
            least = min(chosen, key=growth)
            note = _sentences(
                grid,
                f"smallest growth at η = {_rate(least):g}: {100 * (10 ** growth(least) - 1):.2g} %",
                remark,
            )
        away = found is not None and min(found.points) > 0
        yield Claim(
            group=GROUP,
            claim=f"Truncated BPTT with L = {length} runs away from θ* at every learning rate",
            source="section 6.1",
            quantity=(
                f"smallest growth of |θ − θ*|, the distance to θ*, over the {len(LEARNING_RATES)} learning rates, as "
                f"log₁₀(end/start); above 0 it moved away at all {len(LEARNING_RATES)}"
            ),
            spread=found,
            unit="runs" if remark else "seeds",
            verdict=NOT_YET if found is None or absent else "holds" if away else "does not hold",
            command=f"{RATES} method=tbptt method.length={length}",
            note=note,
        )
    chosen = of(rates, "tbptt", 200)
    found, remark = _certain(chosen, distance)
    near = found is not None and max(found.points) < NEAR
    working = sorted({_rate(run) for run in chosen if distance(run) < NEAR})
    yield Claim(
        group=GROUP,
        claim="Truncated BPTT does converge once L is long enough: L = 200 (control)",
        source="control",
        quantity=f"smallest |θ − θ*| over the {len(LEARNING_RATES)} learning rates, end/start",
        spread=found,
        unit="runs" if remark else "seeds",
        verdict=NOT_YET if gaps(chosen) else "holds" if near else "does not hold",
        command=f"{RATES} method=tbptt method.length=200",
        note=_sentences(
            gaps(chosen) or f"below {NEAR:g} at η = {', '.join(f'{rate:g}' for rate in working)}",
            remark,
        ),
    )


def _certain(runs: list[Run], measure: Callable[[Run], float]) -> tuple[Spread | None, str]:
    """The least of a measure over the learning rates, of runs that draw nothing, and the remark that they do not."""
    if not runs:
        return None, ""
    return without_chance([min(map(measure, members)) for members in by_seed(runs).values()])


def _sentences(*parts: str) -> str:
    return "; ".join(filter(None, parts))


def _converges(runs: list[Run]) -> Claim:
    chosen = of(runs, "artbp", 16)
    found = spread([distance(run) for run in chosen]) if chosen else None
    absent = _absent(chosen)
    return Claim(
        group=GROUP,
        claim="ARTBP with segments of 16 steps on average converges, on every seed",
        source="section 6.1",
        quantity="|θ − θ*| after 10⁶ steps, over what it was at the start",
        spread=found,
        verdict=NOT_YET if found is None or absent else "holds" if max(found.points) < NEAR else "does not hold",
        command=f"{BALANCING} method=artbp method.length=16",
        note=absent or f"holds: below {NEAR:g} on every seed",
    )


def _absent(runs: Iterable[Run]) -> str:
    absent = sorted(set(SEEDS) - {run.config["seed"] for run in runs})
    return f"missing: seed {', '.join(map(str, absent))}" if absent else ""


def _rates(rates: list[Run]) -> Claim:
    chosen, short = of(rates, "artbp", 16), of(rates, "tbptt", 100)
    members = by_seed(chosen)
    found = spread([sum(distance(r) < NEAR for r in runs) for runs in members.values()]) if members else None
    other = len({_rate(r) for r in short if distance(r) < NEAR})
    lost = [
        (rate, sum(_rate(r) == rate and r.summary["status"] == "diverged" for r in chosen)) for rate in LEARNING_RATES
    ]
    said = "".join(f"; ARTBP, too, diverges at η = {rate:g} on {n} of {len(members)} seeds" for rate, n in lost if n)
    absent = _sentences(gaps(chosen), gaps(short))
    total = len(LEARNING_RATES)
    return Claim(
        group=GROUP,
        claim="ARTBP converges over a range of learning rates, truncated BPTT with L = 100 at none",
        source="section 6.1",
        quantity=f"how many of {total} learning rates bring |θ − θ*| below {NEAR:g} of its start in 10⁶ steps",
        spread=found,
        verdict=NOT_YET
        if found is None or absent
        else "holds"
        if min(found.points) > 1 and other == 0
        else "does not hold",
        command=f"{RATES} method=artbp method.length=16; {RATES} method=tbptt method.length=100",
        note=absent
        or f"truncated BPTT with L = 100: {other} of {total}{said}. holds: more than one with ARTBP on every seed, "
        "none with truncated BPTT",
    )


def _has_segments(run: Run) -> bool:
    """Whether the lengths that a run drew are there. Warns where they are not: the run is missing from their rows."""
    file = run.path / "segments.csv"
    if not file.is_file():
        warnings.warn(f"{file} is not there: its run counts as missing where it is needed; restore it", stacklevel=2)
    return file.is_file()


def _cost(runs: list[Run]) -> Iterator[Claim]:
    mean = 16  # L0, and L of the truncated BPTT that it is compared with
    chosen = [run for run in of(runs, "artbp", mean) if _has_segments(run)]
    means, stored = [], []
    for run in chosen:
        table = run.segments()
        length, count = table["length"].to_numpy(float), table["count"].to_numpy(float)
        steps = float((length * count).sum())
        means.append(steps / float(count.sum()) / mean)
        stored.append(float((length * (length - 1) / 2 * count).sum()) / steps / ((mean - 1) / 2))
    found: Spread | None = spread(means) if means else None
    absent = _absent(chosen)
    within = found is not None and all(abs(point - 1) < 0.02 for point in found.points)
    yield Claim(
        group=GROUP,
        claim="An update of ARTBP costs, on average, what one of truncated BPTT of the same length costs",
        source="abstract; section 4",
        quantity="steps of forward and backward computation per update, over L0 = 16",
        spread=found,
        verdict=NOT_YET if found is None or absent else "holds" if within else "does not hold",
        command=f"{BALANCING} method=artbp method.length=16",
        note=absent or "holds: within 2 % of 1 on every seed",
    )
    yield Claim(
        group=GROUP,
        claim="… but it holds more steps in memory, because lengths vary (not a claim of the paper)",
        source="this project",
        quantity="steps held in memory, averaged over time, over those of truncated BPTT with L = 16, (L − 1)/2",
        spread=spread(stored) if stored else None,
        verdict=NOT_YET if not stored or absent else "holds" if min(stored) > 1 else "does not hold",
        command=f"{BALANCING} method=artbp method.length=16",
        note=absent
        or "for segments of random length N it is E[N(N − 1)]/(2 E[N]), about L0(α − 2)/(α − 3); here α = 6",
    )
