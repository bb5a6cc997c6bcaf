"""Claims about the lengths that segments must have, from the phase diagrams' CSVs."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path

import pandas as pd

from artbp_exp.evidence.claim import NOT_YET, Claim
from artbp_exp.evidence.figures.phase_diagram import reached
from artbp_exp.evidence.figures.phase_sizes import working
from artbp_exp.evidence.read import read
from artbp_exp.evidence.statistics import bare

INFINITY = float("inf")
LENGTHS = "How long segments must be"
SIZES = (7, 12, 23, 46, 69, 92)
"""Sizes n that `make phase` runs."""

SEEDS = {"artbp": 5, "tbptt": 1}
"""Seeds of each cell; truncated BPTT draws nothing here."""

COLUMNS = ("size", "method", "reweight", "length", "lr", "seed", "status", "theta", "theta_optimal")
WORDS = ("method", "reweight", "status")
ARMS = {"tbptt": ("tbptt", True), "artbp": ("artbp", True), "raw": ("artbp", False)}


def length_claims(results: Path) -> list[Claim]:
    """The rows from the phase diagrams."""
    return [
        _diagram(read(results / "phase_diagram" / "cells.csv", COLUMNS, words=WORDS)),
        _sizes(read(results / "phase_sizes" / "cells.csv", COLUMNS, words=WORDS)),
    ]


def _diagram(cells: pd.DataFrame | None) -> Claim:
    found, note, verdict = None, "", NOT_YET
    if cells is not None and not (note := gaps(cells)):
        near = cells.assign(near=reached(cells))
        least = {}
        for name, (method, reweight) in ARMS.items():
            mine = near[(near["method"] == method) & (near["reweight"] == reweight)]
            works = mine.groupby(["length", "lr"])["near"].all().groupby("length").any()
            least[name] = float(works[works].index.min()) if works.any() else INFINITY
        longest = float(cells["length"].max())
        said = {name: f"{at:g}" if at <= longest else f"none up to {longest:g}" for name, at in least.items()}
        found = bare([min(least["raw"], longest) / min(least["artbp"], longest)])
        verdict = "holds" if least["raw"] > least["artbp"] else "does not hold"
        note = (
            f"shortest length of the grid that works: ARTBP {said['artbp']}, random cuts without reweighting "
            f"{said['raw']}, truncated BPTT {said['tbptt']}. The whole grid gives one number, so there is no interval. "
            f"holds: without reweighting it is longer than ARTBP's"
        )
    return Claim(
        group=LENGTHS,
        claim="Without reweighting, random cuts do not do what ARTBP does",
        source="this project",
        quantity=(
            "shortest mean length with which every seed reaches θ* at some learning rate: random cuts without "
            "reweighting over ARTBP"
        ),
        spread=found,
        unit="grids",
        verdict=verdict,
        command="make phase",
        note=note,
    )


def gaps(cells: pd.DataFrame) -> str:
    """Which cells of lengths × learning rates lack a seed, in words; empty where none does."""
    lengths, rates = sorted(cells["length"].unique()), sorted(cells["lr"].unique())
    absent = 0
    for method, reweight in ARMS.values():
        mine = cells[(cells["method"] == method) & (cells["reweight"] == reweight)]
        counts = mine.groupby(["length", "lr"])["seed"].nunique()
        absent += sum(max(0, SEEDS[method] - int(counts.get(cell, 0))) for cell in product(lengths, rates))
    return f"missing: {absent} runs of the grid" if absent else ""


def _sizes(cells: pd.DataFrame | None) -> Claim:
    found, note, verdict = None, "", NOT_YET
    if cells is not None:
        absent = [n for n in SIZES if lacks(cells, n)]
        works = working(cells[~cells["size"].isin(absent)])
        brackets = {
            n: {method: bracket(works[(works["size"] == n) & (works["method"] == method)]) for method in SEEDS}
            for n in sorted(works["size"].unique())
        }
        # where truncated BPTT works at no length tried, the longest is a lower bound; where ARTBP does not, 0
        ratios = [
            (low if least == INFINITY else least) / b["artbp"][1]
            for b in brackets.values()
            for low, least in [b["tbptt"]]
        ]
        shorter = all(b["artbp"][1] <= b["tbptt"][0] for b in brackets.values())
        found = bare(ratios) if ratios else None
        verdict = "does not hold" if not shorter else NOT_YET if absent else "holds"
        said = [f"n = {n}: truncated BPTT {_said(b['tbptt'])}; ARTBP {_said(b['artbp'])}" for n, b in brackets.items()]
        said += [f"Missing, wholly or in part: n = {', '.join(map(str, absent))}"] if absent else []
        note = ". ".join(said)
    return Claim(
        group=LENGTHS,
        claim="At every size of the system ARTBP needs shorter segments than truncated BPTT",
        source="this project",
        quantity=(
            "shortest length that works with truncated BPTT over shortest mean length that works with ARTBP, of the "
            "lengths tried (powers of two for ARTBP); it works if every seed reaches θ* at some learning rate. A point "
            "for each size n, in units"
        ),
        spread=found,
        unit="sizes",
        verdict=verdict,
        command="make phase",
        note=note,
    )


def lacks(cells: pd.DataFrame, size: int) -> bool:
    """Whether a method, a length or a learning rate that is there at some size is not at this one, on every seed."""
    seeds = cells.groupby(["size", "method", "length", "lr"])["seed"].nunique()
    grid = {key[1:] for key in seeds.index}
    here = set(cells.loc[cells["size"] == size, "method"])
    return not set(SEEDS) <= here or any(seeds.get((size, *cell), 0) < SEEDS[cell[0]] for cell in grid)


def bracket(works: pd.DataFrame) -> tuple[float, float]:
    """(longest length below the least that works, the least that works) of one size and method.

    0 where even the shortest tried works; infinity where none does.
    """
    lengths: Iterable[float] = sorted(works["length"])
    working_ones = works[works["works"]]["length"]
    least = float(working_ones.min()) if len(working_ones) else INFINITY
    return max((float(length) for length in lengths if length < least), default=0.0), least


def _said(found: tuple[float, float]) -> str:
    low, high = found
    if high == INFINITY:
        return f"fails at all lengths up to {low:g}"
    return f"already works at {high:g}" if low == 0 else f"fails at {low:g} and works at {high:g}"
