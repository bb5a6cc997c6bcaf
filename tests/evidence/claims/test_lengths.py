"""Rows from the phase diagrams: gaps in the grid, lengths at its edge, and a method that never works."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artbp_exp.evidence.claims.claim import NOT_YET, Claim
from artbp_exp.evidence.claims.lengths import diagram_claims, size_claims, wanted_seeds, wanted_sizes

LENGTHS = (4, 8, 16, 32)
SIZES = wanted_sizes()
SEEDS = wanted_seeds("phase_sizes")


def cells(least: dict[str, float], *, size: int = 23, reweight: bool = True) -> list[dict[str, Any]]:
    """Every method at every length; those from `least` on reach θ*."""
    return [
        {"method": method, "reweight": reweight, "size": size, "length": length, "lr": 1e-3, "seed": seed,
         "status": "finished", "theta": 0.0 if length >= least[method] else 0.4, "theta_optimal": 0.0}
        for method in least for length in LENGTHS for seed in range(SEEDS[method])
    ]  # fmt: skip


def row(results: Path, name: str, rows: list[dict[str, Any]]) -> Claim:
    """The claim made from these cells."""
    (results / name).mkdir(exist_ok=True)
    pd.DataFrame(rows).to_csv(results / name / "cells.csv", index=False)
    (claim,) = size_claims(results) if name == "phase_sizes" else diagram_claims(results)
    return claim


def sizes(least: dict[str, float], *, of: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """The same least lengths at every size."""
    return [cell for size in of for cell in cells(least, size=size)]


def test_lengths_are_given_as_brackets_and_a_length_at_the_edge_of_the_grid_as_a_bound(tmp_path: Path) -> None:
    claim = row(tmp_path, "phase_sizes", sizes({"tbptt": 32, "artbp": 4}))
    assert claim.verdict == "holds"
    assert claim.note.startswith(
        "n = 7: truncated BPTT fails at 16 and works at 32; ARTBP works at ≤ 4, the shortest tried. n = 12: "
    )
    assert claim.found is not None
    assert claim.found.points == (8.0,) * len(SIZES)
    assert claim.found.low is None


def test_the_same_bracket_is_not_shorter(tmp_path: Path) -> None:
    assert row(tmp_path, "phase_sizes", sizes({"tbptt": 8, "artbp": 8})).verdict == "does not hold"


def test_a_size_that_was_not_run_is_named(tmp_path: Path) -> None:
    claim = row(tmp_path, "phase_sizes", sizes({"tbptt": 32, "artbp": 4}, of=(7, 23)))
    assert claim.verdict == NOT_YET
    assert claim.note.endswith("Missing, wholly or in part: n = 12, 46, 69, 92")


def test_a_size_at_which_artbp_never_works_counts_against_it(tmp_path: Path) -> None:
    rows = sizes({"tbptt": 32, "artbp": 4}, of=SIZES[:-1]) + cells({"tbptt": 32, "artbp": 99}, size=SIZES[-1])
    claim = row(tmp_path, "phase_sizes", rows)
    assert claim.verdict == "does not hold"
    assert "n = 92: truncated BPTT fails at 16 and works at 32; ARTBP works at no length up to 32" in claim.note


def test_a_seed_that_was_not_run_leaves_the_row_open(tmp_path: Path) -> None:
    rows = sizes({"tbptt": 32, "artbp": 4})
    thin = [cell for cell in rows if (cell["size"], cell["length"], cell["seed"]) != (7, 8, 3)]
    claim = row(tmp_path, "phase_sizes", thin)
    assert claim.verdict == NOT_YET
    assert claim.note.endswith("Missing, wholly or in part: n = 7")
    assert claim.counted == f"{len(SIZES) - 1} sizes"


@pytest.mark.parametrize("only", ["tbptt", "artbp"])
def test_a_size_with_one_method_so_far_says_nothing_against_the_other(tmp_path: Path, only: str) -> None:
    half = [cell for cell in cells({"tbptt": 32, "artbp": 4}, size=92) if cell["method"] == only]
    claim = row(tmp_path, "phase_sizes", sizes({"tbptt": 32, "artbp": 4}, of=SIZES[:-1]) + half)
    assert claim.verdict == NOT_YET
    assert claim.note.endswith("Missing, wholly or in part: n = 92")
    assert claim.counted == f"{len(SIZES) - 1} sizes"


def test_a_seed_that_fails_spoils_a_length_of_the_phase_diagram(tmp_path: Path) -> None:
    rows = cells({"tbptt": 32, "artbp": 4}) + cells({"artbp": 16}, reweight=False)
    for cell in rows:
        if (cell["method"], cell["reweight"], cell["length"], cell["seed"]) == ("artbp", True, 4, 2):
            cell["theta"] = 0.4
    claim = row(tmp_path, "phase_diagram", rows)
    assert claim.note.startswith("of the lengths of the grid: ARTBP fails at 4 and works at 8; ")
    assert claim.found is not None
    assert claim.found.points == (2.0,)


def test_the_phase_diagram_needs_its_whole_grid(tmp_path: Path) -> None:
    rows = cells({"tbptt": 32, "artbp": 4}) + cells({"artbp": 16}, reweight=False)
    claim = row(tmp_path, "phase_diagram", rows)
    assert claim.verdict == "holds"
    assert claim.found is not None
    assert claim.found.points == (4.0,)
    claim = row(tmp_path, "phase_diagram", [cell for cell in rows if cell["seed"] == 0])
    assert claim.verdict == NOT_YET
    assert claim.note == "missing: 32 runs of the grid"
