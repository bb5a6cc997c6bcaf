"""Claims about the methods of the field: what their papers' abstracts say, and what was measured here."""

from collections.abc import Callable, Iterator
from pathlib import Path

from artbp_exp.evidence.claims.claim import NOT_YET, OPEN, Claim, judged
from artbp_exp.evidence.methods.recall import FOLDER, SECONDS, STEPS, Row, rows
from artbp_exp.evidence.optimum import NEAR, distance, reached
from artbp_exp.evidence.statistics import bare, spread
from artbp_exp.runs.load import Run, load_runs

BALANCING = "methods_balancing"
WALL = "truncated BPTT, L = 5"
"""The arm whose length is the wall: it never sees a lag of 10 or more in one segment."""

RIVAL = "truncated BPTT, L = 43"
"""Truncated BPTT that keeps as many numbers as UORO and SnAp-1."""

SEEDS, MAJORITY = 5, 3
"""Seeds of a lag, and how many of them must learn for a claim to hold; with fewer it is not settled."""

Shares = Callable[[Row], dict[int, list[bool]]]


def recall_claims(results: Path) -> list[Claim]:
    """The rows from `results/methods_recall`."""
    found = {row.arm.label: row for row in rows(load_runs(results / FOLDER))}
    return [_wall(found), *_beyond(found), *_online(found), _snap_and_uoro(found)]


def count(cells: dict[int, list[bool]]) -> int:
    """Seeds that learned, over all lags."""
    return sum(map(sum, cells.values()))


def _wall(found: dict[str, Row]) -> Claim:
    row = found.get(WALL)
    learned = {} if row is None else {lag: sum(seeds) for lag, seeds in row.by_steps.items()}
    inside, outside = ([n for lag, n in learned.items() if (lag < 5) is within] for within in (True, False))
    return Claim(
        key="recall_wall",
        claim="Truncated BPTT of 5 learns a lag that a segment holds on more seeds than longer ones",
        quantity=f"seeds that learn within {STEPS:,} steps, a point for each lag",
        found=bare(list(learned.values())) if learned else None,
        unit="lags",
        verdict=judged(bool(inside and outside) and min(inside) > max(outside), missing=not (inside and outside)),
        note="; ".join(f"lag {lag}: {n}" for lag, n in sorted(learned.items())),
    )


def _beyond(found: dict[str, Row]) -> Iterator[Claim]:
    wall = found.get(WALL)
    for row in found.values():
        if wall is None or row.rank != wall.rank or row is wall:
            continue
        far = {lag: (sum(seeds), sum(wall.by_steps[lag])) for lag, seeds in row.by_steps.items() if lag > 5}
        more, most = any(own > other for own, other in far.values()), max(own for own, _ in far.values())
        few = min(map(len, row.by_steps.values())) < SEEDS
        yield Claim(
            key=f"recall_beyond_{row.arm.label}",
            claim=f"{row.arm.label}: learns a lag that a segment of truncated BPTT of the same memory does not hold",
            quantity=f"seeds that learn lags beyond 5 within {STEPS:,} steps, a point for each lag",
            found=bare([own for own, _ in far.values()]),
            unit="lags",
            verdict=OPEN if more and most < MAJORITY else judged(more, missing=few),
            note="; ".join(f"lag {lag}: {own} seeds, {WALL}: {other}" for lag, (own, other) in sorted(far.items()))
            + f"; numbers kept for a stream: {row.memory:.0f} and {wall.memory:.0f}",
        )


def _online(found: dict[str, Row]) -> Iterator[Claim]:
    rival = found.get(RIVAL)
    for label in ("UORO", "KF-RTRL", "SnAp-1"):
        row, leads, note = found.get(label), list[int](), ""
        if row is not None and rival is not None:
            leads = [sum(row.by_steps[lag]) - sum(rival.by_steps[lag]) for lag in row.by_steps]
            note = (
                f"all lags, at equal steps: {_compared(row, rival, lambda one: one.by_steps)}; after {SECONDS:g} s: "
                f"{_compared(row, rival, lambda one: one.by_time)}; truncated BPTT makes one update in 43 steps"
            )
        yield Claim(
            key=f"recall_memory_{label}",
            claim=f"{label} learns a lag that truncated BPTT of the same memory does not",
            quantity=f"seeds that learn within {STEPS:,} steps, less those of {RIVAL}; a point for each lag",
            found=bare(leads) if leads else None,
            unit="lags",
            verdict=OPEN
            if 0 < max(leads, default=0) < MAJORITY
            else judged(max(leads, default=0) > 0, missing=not leads),
            note=note,
        )


def _compared(row: Row, other: Row, shares: Shares) -> str:
    return f"{count(shares(row))} against {count(shares(other))}"


def _snap_and_uoro(found: dict[str, Row]) -> Claim:
    snap, uoro = found.get("SnAp-1"), found.get("UORO")
    points = None if snap is None or uoro is None else (count(snap.by_time), count(uoro.by_time))
    verdict = (
        NOT_YET if points is None else OPEN if points[0] == points[1] else judged(points[0] > points[1], missing=False)
    )
    return Claim(
        key="snap_and_uoro",
        claim="SnAp-1 beats UORO at equal cost",
        source="Menick et al. 2020, abstract",
        quantity=f"seeds and lags of recall learned after {SECONDS:g} s: SnAp-1, UORO",
        found=None if points is None else bare(points),
        unit="methods",
        verdict=verdict,
        note="neither learns any lag: the task cannot tell them apart" if points == (0, 0) else "one task, untuned",
    )


def balancing_claims(results: Path) -> list[Claim]:
    """The rows from `results/methods_balancing`."""
    runs = load_runs(results / BALANCING)
    said = {
        "rtrl": ("RTRL, exact and online, reaches θ*", "Williams & Zipser 1989"),
        "uoro": ("UORO, rank one and noisy, reaches θ*: no bias is what it takes", "Tallec & Ollivier 2017 (UORO)"),
        "pes": ("PES, without a derivative, reaches θ*", "Vicol et al. 2021"),
    }
    return [
        _reaches(name, *words, [r for r in runs if r.config["method"]["name"] == name]) for name, words in said.items()
    ]


def _reaches(name: str, claim: str, source: str, runs: list[Run]) -> Claim:
    return Claim(
        key=f"balancing_{name}",
        claim=f"{claim} on influence balancing",
        source=f"{source}; the task is this project's choice",
        quantity="|θ − θ*| at the end, over what it was at the start",
        found=spread([distance(run) for run in runs]) if runs else None,
        verdict=judged(all(map(reached, runs)), missing=not runs),
        note=f"reached: below {NEAR:g} on every seed" if runs and all(map(reached, runs)) else "",
    )
