"""Claims about the lengths that segments must have, from the phase diagrams' CSVs."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd

from artbp_exp.evidence.claims.claim import NOT_YET, Claim
from artbp_exp.evidence.optimum import reached_cells
from artbp_exp.evidence.read import read
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import bare

INFINITY = float("inf")
COLUMNS = ("size", "method", "reweight", "length", "lr", "seed", "status", "theta", "theta_optimal")
WORDS = ("method", "reweight", "status")
ARMS = {"tbptt": ("tbptt", True), "artbp": ("artbp", True), "random": ("artbp", False)}
"""Name → method and reweighting of its cells."""


def diagram_claims(results: Path) -> list[Claim]:
    """The row from `results/phase_diagram/cells.csv`."""
    return [_diagram(read(results / "phase_diagram" / "cells.csv", COLUMNS, words=WORDS))]


def size_claims(results: Path) -> list[Claim]:
    """The row from `results/phase_sizes/cells.csv`."""
    return [_sizes(read(results / "phase_sizes" / "cells.csv", COLUMNS, words=WORDS))]


def of_arm(cells: pd.DataFrame, name: str) -> pd.DataFrame:
    """The cells of one of `ARMS`."""
    method, reweight = ARMS[name]
    return cells[(cells["method"] == method) & (cells["reweight"] == reweight)]


def wanted_seeds(name: str) -> dict[str, int]:
    """Method → seeds of each cell; truncated BPTT draws nothing here, so one says it all."""
    return {"artbp": len(recipe(name).seeds), "tbptt": 1}


def wanted_sizes() -> tuple[int, ...]:
    """Sizes n that the recipe runs."""
    return tuple(int(size) for size in recipe("phase_sizes").values("task.size"))


def _diagram(cells: pd.DataFrame) -> Claim:
    claim = Claim(
        key="needs_reweighting",
        claim="Without reweighting, random cuts do not do what ARTBP does on influence balancing",
        quantity=(
            "shortest mean length of the grid with which every seed reaches θ* at some learning rate: random cuts "
            "without reweighting over ARTBP"
        ),
        unit="grids",
    )
    absent = gaps(cells)
    if cells.empty or absent:
        return replace(claim, note=absent)
    brackets = {name: bracket(working(of_arm(cells, name))) for name in ARMS}
    longest = float(cells["length"].max())
    random, artbp = (min(brackets[name][1], longest) for name in ("random", "artbp"))
    return claim.measured(
        bare([random / artbp]),
        brackets["random"][1] > brackets["artbp"][1],
        f"of the lengths of the grid: ARTBP {said(brackets['artbp'])}; random cuts without reweighting "
        f"{said(brackets['random'])}; truncated BPTT {said(brackets['tbptt'])}. The whole grid gives one number, "
        f"so there is no interval. holds: without reweighting the shortest that works is longer than ARTBP's",
    )


def gaps(cells: pd.DataFrame) -> str:
    """Which cells of lengths × learning rates lack a seed, in words; empty where none does."""
    lengths, rates = sorted(cells["length"].unique()), sorted(cells["lr"].unique())
    seeds, absent = wanted_seeds("phase_diagram"), 0
    for name, (method, _) in ARMS.items():
        counts = of_arm(cells, name).groupby(["length", "lr"])["seed"].nunique()
        absent += sum(max(0, seeds[method] - int(counts.get(cell, 0))) for cell in product(lengths, rates))
    return f"missing: {absent} runs of the grid" if absent else ""


def _sizes(cells: pd.DataFrame) -> Claim:
    claim = Claim(
        key="sizes",
        claim="At every size of the system ARTBP needs shorter segments than truncated BPTT",
        quantity=(
            "shortest length that works with truncated BPTT over shortest mean length that works with ARTBP, of the "
            "lengths tried; it works if every seed reaches θ* at some learning rate. A point for each size n, in units"
        ),
        unit="sizes",
    )
    absent = [n for n in wanted_sizes() if lacks(cells, n)]
    works = working(cells[~cells["size"].isin(absent)])
    brackets = {
        n: {name: bracket(works[(works["size"] == n) & (works["method"] == name)]) for name in ("tbptt", "artbp")}
        for n in sorted(works["size"].unique())
    }
    # where truncated BPTT works at no length tried, the longest is a lower bound; where ARTBP does not, 0
    ratios = [
        (low if least == INFINITY else least) / b["artbp"][1] for b in brackets.values() for low, least in [b["tbptt"]]
    ]
    shorter = all(b["artbp"][1] <= b["tbptt"][0] for b in brackets.values())
    parts = [f"n = {n}: truncated BPTT {said(b['tbptt'])}; ARTBP {said(b['artbp'])}" for n, b in brackets.items()]
    parts += [f"Missing, wholly or in part: n = {', '.join(map(str, absent))}"] if absent else []
    return claim.measured(bare(ratios), NOT_YET if shorter and absent else shorter, ". ".join(parts))


def lacks(cells: pd.DataFrame, size: int) -> bool:
    """Whether a method, a length or a learning rate that is there at some size is not at this one, on every seed."""
    wanted = wanted_seeds("phase_sizes")
    seeds = cells.groupby(["size", "method", "length", "lr"])["seed"].nunique()
    grid = {key[1:] for key in seeds.index}
    here = set(cells.loc[cells["size"] == size, "method"])
    return not set(wanted) <= here or any(seeds.get((size, *cell), 0) < wanted[cell[0]] for cell in grid)


def working(cells: pd.DataFrame) -> pd.DataFrame:
    """For each size, method and length: whether there is a learning rate at which every seed reaches θ*."""
    near = cells.assign(near=reached_cells(cells))
    by_rate = near.groupby(["size", "method", "length", "lr"])["near"].all()
    return by_rate.groupby(["size", "method", "length"]).any().rename("works").reset_index()


def bracket(works: pd.DataFrame) -> tuple[float, float]:
    """(longest length below the least that works, the least that works) of one size and method.

    0 where even the shortest tried works; infinity where none does.
    """
    lengths = sorted(works["length"])
    working_ones = works[works["works"]]["length"]
    least = float(working_ones.min()) if len(working_ones) else INFINITY
    return max((float(length) for length in lengths if length < least), default=0.0), least


def said(found: tuple[float, float]) -> str:
    """A bracket in words; a least length at the edge of the grid is an upper bound."""
    low, high = found
    if high == INFINITY:
        return f"works at no length up to {low:g}"
    return f"works at ≤ {high:g}, the shortest tried" if low == 0 else f"fails at {low:g} and works at {high:g}"
