"""Rows from what `artbp-diagnose` wrote."""

from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.evidence.claims.claim import MEASURED, NOT_YET, Claim
from artbp_exp.evidence.claims.diagnosis import commands, diagnosis_claims


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A checkpoint with two settings, one of them in two comparisons; the formula is off by one standard error."""
    rows = []
    for comparison, length in (("length", 4), ("length", 8), ("equal length", 8)):
        shared = {"comparison": comparison, "length": length, "reweight": True}
        rows.append({**shared, "method": "tbptt", "schedule": None, "alpha": None, "variance": 0.0, "variance_se": 0.0})
        predicted = {"predicted": 1.0, "predicted_se": 0.04, "predicted_rare": 0.01}
        measured = {"variance": 1.05, "variance_se": 0.03}
        updates = {"updates_to_match": 10.0 * length, "updates_to_match_low": 39.0, "updates_to_match_high": 81.0}
        rows.append({**shared, "method": "artbp", "schedule": "paper", "alpha": 4, **predicted, **measured, **updates})
    folder = tmp_path / "diagnose" / "synthetic"
    folder.mkdir(parents=True)
    pd.DataFrame(rows).to_csv(folder / "methods.csv", index=False)
    facts = {"steps": 400, "streams": 3, "bias_streams": 9, "command": "artbp-diagnose seed=3"}
    pd.DataFrame([facts]).to_csv(folder / "checkpoint.csv", index=False)
    return tmp_path


def changed(results: Path, **factors: float) -> Claim:
    """The formula's row after columns were multiplied."""
    path = results / "diagnose" / "synthetic" / "methods.csv"
    table = pd.read_csv(path)
    for column, factor in factors.items():
        table[column] *= factor
    table.to_csv(path, index=False)
    return diagnosis_claims(results)[0]


def test_a_formula_within_the_errors_holds_and_says_what_could_hide(results: Path) -> None:
    formula = diagnosis_claims(results)[0]
    assert formula.verdict == "holds"
    assert commands(results) == ["artbp-diagnose seed=3"]
    assert formula.found is not None
    # the same setting in two comparisons counts once; settings are no sample
    assert formula.found.points == pytest.approx((1.05, 1.05))
    assert (formula.found.low, formula.found.high) == (None, None)
    # two settings: the quantile at 5 %/2/2, times a standard error of 0.05
    assert "of the 2.24 allowed" in formula.note
    assert formula.note.startswith(
        "Measured and predicted agree in all 2 settings; a measured difference above 11 % would"
    )
    assert formula.counted == "2 settings"


@pytest.mark.parametrize("factor", [0.1, 0.5, 3, 10])
def test_a_formula_that_is_off_does_not_hold(results: Path, factor: float) -> None:
    formula = changed(results, predicted=factor, predicted_se=factor)
    assert formula.verdict == "does not hold"
    assert formula.note.startswith("Measured and predicted disagree in at least one of 2 settings")


def test_errors_that_could_hide_anything_settle_nothing(results: Path) -> None:
    assert changed(results, variance_se=10).verdict == "not settled"


def test_what_no_draw_can_show_is_left_out_and_said(results: Path) -> None:
    path = results / "diagnose" / "synthetic" / "methods.csv"
    table = pd.read_csv(path)
    table.loc[table["length"] == 4, ["predicted", "predicted_rare"]] = [1e6, 0.9]
    table.loc[table["method"] == "tbptt", "predicted"] = None
    table.to_csv(path, index=False)
    formula = diagnosis_claims(results)[0]
    assert formula.verdict == "holds"
    assert formula.counted == "1 setting"
    assert formula.note.endswith("α = 4 at L0 = 4")


def test_a_table_of_an_earlier_version_counts_as_not_measured(results: Path) -> None:
    path = results / "diagnose" / "synthetic" / "methods.csv"
    pd.read_csv(path).drop(columns="variance_se").to_csv(path, index=False)
    assert {claim.verdict for claim in diagnosis_claims(results)} == {NOT_YET}


def test_updates_to_match_are_measured_and_nothing_is_claimed(results: Path) -> None:
    _, updates, *others = diagnosis_claims(results)
    assert updates.verdict == MEASURED
    assert updates.found is not None
    assert updates.found.points == (40, 80)
    assert (updates.found.low, updates.found.high) == (None, None)
    assert "length 4: 40 (39 to 81)" in updates.note
    assert "T = 400 steps, the variance with 3 streams" in updates.note
    assert "the part of the bias that is the same on other text, from 9 streams" in updates.note
    assert {claim.verdict for claim in others} == {NOT_YET}


def test_an_interval_without_an_upper_end_is_said_in_words(results: Path) -> None:
    path = results / "diagnose" / "synthetic" / "methods.csv"
    pd.read_csv(path).assign(updates_to_match_high=float("inf")).to_csv(path, index=False)
    assert "length 4: 40 (39 or more, no upper limit)" in diagnosis_claims(results)[1].note
