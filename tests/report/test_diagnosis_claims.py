"""Rows from what `artbp-diagnose` and the phase diagrams wrote."""

from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.report.claim import NOT_YET
from artbp_exp.report.diagnosis_claims import diagnosis_claims
from artbp_exp.report.other_claims import length_claims


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A checkpoint where truncation errs more at length 8 and less at length 4, and the formula is right."""
    rows = []
    for length, squared_bias in ((4, 0.5), (8, 2.0)):
        shared = {"comparison": "length", "length": length, "reweight": True}
        rows.append({**shared, "method": "tbptt", "schedule": None, "bias2": squared_bias, "variance": 0.0})
        predicted = {"predicted": 1.0, "predicted_low": 0.8, "predicted_high": 1.2}
        measured = {"variance": 1.1, "variance_low": 0.9, "variance_high": 1.3, "bias2": 0.0}
        rows.append({**shared, "method": "artbp", "schedule": "paper", **predicted, **measured})
    folder = tmp_path / "diagnose" / "synthetic"
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "methods.csv", index=False)
    pd.DataFrame([{"command": "artbp-diagnose seed=3"}]).to_csv(folder / "checkpoint.csv", index=False)
    return tmp_path


def test_the_formula_holds_and_the_error_depends_on_the_length(results: Path) -> None:
    formula, error, *others = diagnosis_claims(results)
    assert formula.verdict == "holds"
    assert formula.command == "artbp-diagnose seed=3"
    assert error.verdict == "not settled"
    assert error.spread is not None
    assert error.spread.points == pytest.approx((0.5 / 1.1, 2.0 / 1.1))
    assert "it depends on the length" in error.note
    assert {claim.verdict for claim in others} == {NOT_YET}


def test_a_formula_that_is_off_is_not_called_right(results: Path) -> None:
    path = results / "diagnose" / "synthetic" / "methods.csv"
    table = pd.read_csv(path)
    table[["predicted", "predicted_low", "predicted_high"]] *= 3
    table.to_csv(path, index=False)
    assert diagnosis_claims(results)[0].verdict == "not settled"


def test_a_least_length_at_the_edge_of_the_grid_is_marked(tmp_path: Path) -> None:
    rows = [
        {"method": method, "reweight": True, "size": 7, "length": length, "lr": 1e-3, "seed": 0, "status": "finished",
         "theta": 0.0 if length >= least else 0.4, "theta_optimal": 0.0}
        for method, least in (("tbptt", 32), ("artbp", 4))
        for length in (4, 32)
    ]  # fmt: skip
    (tmp_path / "phase_sizes").mkdir()
    pd.DataFrame(rows).to_csv(tmp_path / "phase_sizes" / "cells.csv", index=False)
    claim = length_claims(tmp_path)[-1]
    assert claim.verdict == "holds"
    assert claim.note == "n = 7: 32 against ≤ 4"
