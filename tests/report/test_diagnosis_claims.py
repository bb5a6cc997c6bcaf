"""Rows from what `artbp-diagnose` wrote."""

from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.report.claim import NOT_YET
from artbp_exp.report.diagnosis_claims import diagnosis_claims


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
