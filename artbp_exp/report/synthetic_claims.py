"""Claims about influence balancing, from `results/influence_balancing` and `results/learning_rates`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artbp_exp.records.load import Run, load_runs
from artbp_exp.report.claim import NOT_YET, Claim
from artbp_exp.report.statistics import Spread, spread

GROUP = "Influence balancing"
NEAR = 1e-3
"""|θ − θ*| that counts as having reached θ*."""

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
    """|θ − θ*| at the end; infinite where the run diverged."""
    theta = run.summary["theta"]
    if run.summary["status"] == "diverged" or theta is None:
        return float("inf")
    return float(abs(theta - run.summary["theta_optimal"]))


def growth(run: Run) -> float:
    """log10 of |θ − θ*| at the end over |θ − θ*| at the start; a diverged run counts as its last finite θ."""
    theta = run.summary["theta"]
    start = abs(run.config["model"]["theta"] - run.summary["theta_optimal"])
    end = abs(theta - run.summary["theta_optimal"]) if theta is not None else float("inf")
    return float(np.log10(max(end, 1e-17) / start))


def _truncated(rates: list[Run]) -> Iterator[Claim]:
    for length, expected in ((10, True), (100, True), (200, False)):
        chosen = of(rates, "tbptt", length)
        grid = sorted({run.config["optimizer"]["lr"] for run in chosen})
        by_seed: dict[int, list[float]] = {}
        for run in chosen:
            by_seed.setdefault(run.config["seed"], []).append(growth(run))
        found = spread([min(values) for values in by_seed.values()]) if by_seed else None
        away = found is not None and min(found.points) > 0
        said = f"at each of {len(grid)} learning rates from {grid[0]:g} to {grid[-1]:g}" if grid else ""
        yield Claim(
            group=GROUP,
            claim=(
                f"Truncated BPTT with L = {length} runs away from θ* at every learning rate"
                if expected
                else f"Truncated BPTT does converge once L is long enough: L = {length} (control)"
            ),
            source="section 5.1" if expected else "control",
            quantity="least over the learning rates of log₁₀(|θ − θ*| at the end / at the start); > 0 is away",
            spread=found,
            verdict=NOT_YET if found is None else "holds" if away == expected else "does not hold",
            command=f"{RATES} method=tbptt method.length={length}",
            note=f"{said}; truncated BPTT draws nothing here, so its seeds coincide",
        )


def _converges(runs: list[Run]) -> Claim:
    chosen = of(runs, "artbp", 16)
    found = spread([distance(run) for run in chosen]) if chosen else None
    return Claim(
        group=GROUP,
        claim="ARTBP with segments of 16 steps on average converges, on every seed",
        source="section 5.1",
        quantity="|θ − θ*| after 10⁶ steps",
        spread=found,
        verdict=NOT_YET if found is None else "holds" if max(found.points) < NEAR else "does not hold",
        command=f"{BALANCING} method=artbp method.length=16",
        note=f"holds: below {NEAR:g} on every seed",
    )


def _rates(rates: list[Run]) -> Claim:
    chosen = of(rates, "artbp", 16)
    by_seed: dict[int, list[Run]] = {}
    for run in chosen:
        by_seed.setdefault(run.config["seed"], []).append(run)
    found = spread([sum(distance(r) < NEAR for r in members) for members in by_seed.values()]) if by_seed else None
    total = len({run.config["optimizer"]["lr"] for run in chosen})
    short = of(rates, "tbptt", 100)
    other = len({r.config["optimizer"]["lr"] for r in short if distance(r) < NEAR})
    lost = sorted({r.config["optimizer"]["lr"] for r in chosen if r.summary["status"] == "diverged"})
    said = f"; ARTBP, too, diverges on some seed at η = {', '.join(f'{rate:g}' for rate in lost)}" if lost else ""
    return Claim(
        group=GROUP,
        claim="ARTBP converges over a range of learning rates, truncated BPTT with L = 100 at none",
        source="section 5.1",
        quantity=f"how many of {total} learning rates bring |θ − θ*| below {NEAR:g} in 10⁶ steps",
        spread=found,
        verdict=NOT_YET if found is None else "holds" if min(found.points) > 1 and other == 0 else "does not hold",
        command=f"{RATES} method=artbp method.length=16",
        note=f"truncated BPTT with L = 100: {other} of {total}{said}",
    )


def _cost(runs: list[Run]) -> Iterator[Claim]:
    chosen = of(runs, "artbp", 16)
    means, stored = [], []
    for run in chosen:
        table = run.segments()
        length, count = table["length"].to_numpy(float), table["count"].to_numpy(float)
        steps = float((length * count).sum())
        means.append(steps / float(count.sum()) / 16)
        stored.append(float((length * (length - 1) / 2 * count).sum()) / steps / 7.5)
    found: Spread | None = spread(means) if means else None
    within = found is not None and all(abs(point - 1) < 0.02 for point in found.points)
    yield Claim(
        group=GROUP,
        claim="An update of ARTBP costs, on average, what one of truncated BPTT of the same length costs",
        source="abstract; section 4",
        quantity="steps of forward and backward computation per update, over L0 = 16",
        spread=found,
        verdict=NOT_YET if found is None else "holds" if within else "does not hold",
        command=f"{BALANCING} method=artbp method.length=16",
        note="holds: within 2 % of 1 on every seed",
    )
    yield Claim(
        group=GROUP,
        claim="… but it holds more steps in memory, because lengths vary (not a claim of the paper)",
        source="this project",
        quantity="stored steps, averaged over time, over those of truncated BPTT with L = 16 ((L − 1)/2)",
        spread=spread(stored) if stored else None,
        verdict=NOT_YET if not stored else "holds" if min(stored) > 1 else "does not hold",
        command=f"{BALANCING} method=artbp method.length=16",
        note="E[N(N − 1)]/(2 E[N]): about L0(α − 2)/(α − 3) for ARTBP; α = 6 here",
    )
