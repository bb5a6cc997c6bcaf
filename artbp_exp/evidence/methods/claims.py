"""Claims about the methods of the field: what their papers' abstracts say, and what was measured here."""

from collections.abc import Iterator
from pathlib import Path

from scipy import stats

from artbp_exp.evidence.claims.claim import NOT_YET, OPEN, Claim
from artbp_exp.evidence.methods.recall import FOLDER, SECONDS, STEPS, Row, rows
from artbp_exp.evidence.optimum import NEAR, distance, reached
from artbp_exp.evidence.statistics import bare, holm, spread
from artbp_exp.runs.load import load_runs

Cells = dict[int, list[bool]]
"""Lag → for each seed whether it had learned."""

BALANCING = "methods_balancing"
WALL = "truncated BPTT, L = 5"
"""The arm whose length is the wall: it never sees a lag of 10 or more in one segment."""

RIVAL = "truncated BPTT, L = 43"
"""Truncated BPTT that keeps as many numbers as ARTBP of 16.75, UORO and SnAp-1."""

SEEDS = 5
"""Of a lag."""

LEVEL = 0.05
"""Of Fisher's exact test, one-sided, that one arm learns on more seeds than another; adjusted over the lags by Holm."""


def recall_claims(results: Path) -> list[Claim]:
    """The rows from `results/methods_recall`."""
    found = {row.label: row for row in rows(load_runs(results / FOLDER))}
    return [_wall(found.get(WALL)), *_beyond(found), *_equal_memory(found), _snap_and_uoro(found)]


def count(cells: Cells) -> int:
    """Seeds that learned, over all lags."""
    return sum(map(sum, cells.values()))


def _ahead(own: Cells, other: Cells) -> bool | str:
    """Whether an arm learns a lag on more seeds than another: yes, no, or more on some, but not by a test."""
    pairs = [(seeds, other[lag]) for lag, seeds in own.items()]
    if not any(sum(mine) > sum(theirs) for mine, theirs in pairs):
        return False
    tables = ([[sum(seeds), len(seeds) - sum(seeds)] for seeds in pair] for pair in pairs)
    levels = [float(stats.fisher_exact(table, alternative="greater").pvalue) for table in tables]
    return True if min(holm(levels)) < LEVEL else OPEN


def _wall(row: Row | None) -> Claim:
    learned = {} if row is None else {lag: sum(seeds) for lag, seeds in row.by_steps.items()}
    inside, outside = ([n for lag, n in learned.items() if (lag < 5) is within] for within in (True, False))
    measured = inside and outside
    return Claim(
        key="recall_wall",
        claim="Truncated BPTT of 5 learns a lag that a segment holds on more seeds than longer ones",
        quantity=f"seeds that learn within {STEPS:,} steps, a point for each lag",
        unit="lags",
    ).measured(
        bare(learned.values()),
        min(inside) > max(outside) if measured else NOT_YET,
        "; ".join(f"lag {lag}: {n}" for lag, n in sorted(learned.items())),
    )


def _beyond(found: dict[str, Row]) -> Iterator[Claim]:
    wall = found.get(WALL)
    for row in found.values():
        if wall is None or row.rank != wall.rank or row is wall:
            continue
        far = {lag: seeds for lag, seeds in row.by_steps.items() if lag > 5 and lag in wall.by_steps}
        few = not far or min(map(len, row.by_steps.values())) < SEEDS
        yield Claim(
            key=f"recall_beyond_{row.label}",
            claim=f"{row.label}: learns a lag beyond 5 on more seeds than truncated BPTT of 5, of the same memory",
            quantity=f"seeds that learn lags beyond 5 within {STEPS:,} steps, a point for each lag",
            unit="lags",
        ).measured(
            bare(map(sum, far.values())),
            NOT_YET if few else _ahead(far, wall.by_steps),
            "; ".join(f"lag {lag}: {sum(seeds)} seeds, {WALL}: {sum(wall.by_steps[lag])}" for lag, seeds in far.items())
            + f"; numbers kept for a stream: {row.memory:.0f} and {wall.memory:.0f}",
        )


def _equal_memory(found: dict[str, Row]) -> Iterator[Claim]:
    rival = found.get(RIVAL)
    for label in ("ARTBP, L0 = 16.75, α = 6", "UORO", "KF-RTRL", "SnAp-1"):
        claim = Claim(
            key=f"recall_memory_{label}",
            claim=f"{label} learns a lag on more seeds than truncated BPTT of the same memory",
            quantity=f"seeds that learn within {STEPS:,} steps, less those of {RIVAL}; a point for each lag",
            unit="lags",
        )
        if (row := found.get(label)) is not None and rival is not None and row.by_steps.keys() == rival.by_steps.keys():
            leads = [sum(row.by_steps[lag]) - sum(rival.by_steps[lag]) for lag in row.by_steps]
            claim = claim.measured(
                bare(leads),
                _ahead(row.by_steps, rival.by_steps),
                f"all lags, at equal steps: {count(row.by_steps)} against {count(rival.by_steps)}; after {SECONDS:g} "
                f"s: {count(row.by_time)} against {count(rival.by_time)}; truncated BPTT makes one update in 43 steps",
            )
        yield claim


def _snap_and_uoro(found: dict[str, Row]) -> Claim:
    claim = Claim(
        key="snap_and_uoro",
        claim="SnAp-1 beats UORO at equal cost",
        source="Menick et al. 2020, abstract",
        quantity=f"seeds and lags of recall learned after {SECONDS:g} s, less those of UORO",
        unit="difference",
    )
    if not {"SnAp-1", "UORO"} <= found.keys():
        return claim
    snap, uoro = (found[label].by_time for label in ("SnAp-1", "UORO"))
    if snap.keys() != uoro.keys():
        return claim
    ahead, behind = _ahead(snap, uoro), _ahead(uoro, snap)
    return claim.measured(
        bare([count(snap) - count(uoro)]),
        ahead if True in (ahead, behind) else OPEN,
        f"{count(snap)} against {count(uoro)}; one task, untuned, and a row of metrics only every 500 steps or more",
    )


def balancing_claims(results: Path) -> Iterator[Claim]:
    """The rows from `results/methods_balancing`."""
    runs = load_runs(results / BALANCING)
    for name, claim, source in (
        ("rtrl", "RTRL, exact and online, reaches θ*", "Williams & Zipser 1989"),
        ("uoro", "UORO, rank one and noisy, reaches θ*: no bias is what it takes", "Tallec & Ollivier 2017 (UORO)"),
        ("pes", "PES, without a derivative, reaches θ*", "Vicol et al. 2021"),
    ):
        mine = [run for run in runs if run.config["method"]["name"] == name]
        reaches = all(map(reached, mine))
        yield Claim(
            key=f"balancing_{name}",
            claim=f"{claim} on influence balancing",
            source=f"{source}; the task is this project's choice",
            quantity="|θ − θ*| at the end, over what it was at the start",
        ).measured(
            spread(map(distance, mine)),
            reaches if mine else NOT_YET,
            f"reached: below {NEAR:g} on every seed" if mine and reaches else "",
        )
