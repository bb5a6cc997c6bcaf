"""Claims about unbiasedness: none from part of the sweep."""

from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.evidence.claims.claim import NOT_YET
from artbp_exp.evidence.claims.exact import exact_claims
from artbp_exp.verification.variants import lags_beside
from tests.conftest import ROOT
from tests.verification.lines import far_wanted, wanted

VERIFIED = ROOT / "results" / "verify" / "everything.csv"


@pytest.mark.parametrize("kept", [1, 40])
def test_a_sweep_of_the_verification_that_was_cut_short_shows_nothing(tmp_path: Path, kept: int) -> None:
    (tmp_path / "verify").mkdir()
    lines = VERIFIED.read_text().splitlines(keepends=True)
    (tmp_path / "verify" / "everything.csv").write_text("".join(lines[:kept]))
    enumerated, lags = exact_claims(tmp_path)
    assert (enumerated.verdict, lags.verdict) == (NOT_YET, NOT_YET)
    assert enumerated.note.startswith("missing: ")
    assert " more" in enumerated.note


@pytest.mark.parametrize(("kept", "missing"), [(1, "weight clipped and "), (-1, "factor forgotten between two pieces")])
def test_lags_that_were_cut_short_show_nothing(tmp_path: Path, kept: int, missing: str) -> None:
    (tmp_path / "verify").mkdir()
    lines = lags_beside(VERIFIED).read_text().splitlines(keepends=True)
    lags_beside(tmp_path / "verify" / "everything.csv").write_text("".join(lines[:kept]))
    claim = exact_claims(tmp_path)[-1]
    assert claim.verdict == NOT_YET
    assert missing in claim.note


def test_a_fault_at_long_lags_that_was_missed_is_said(tmp_path: Path) -> None:
    (tmp_path / "verify").mkdir()
    table = pd.read_csv(lags_beside(VERIFIED))
    table.loc[table["broken"] == "weight clipped", "verdict"] = "certified"
    table.to_csv(lags_beside(tmp_path / "verify" / "everything.csv"), index=False)
    claim = exact_claims(tmp_path)[-1]
    assert claim.verdict == "does not hold"
    assert "2 are detected" in claim.note


def test_the_committed_sweep_of_the_verification_is_whole() -> None:
    assert [claim.verdict for claim in exact_claims(ROOT / "results")] == ["holds"] * 4


def test_the_committed_sweep_has_every_line_that_the_verification_makes() -> None:
    table = pd.read_csv(VERIFIED)
    assert wanted() <= set(zip(table.method, table.model, table.engine, strict=True))
    lags = pd.read_csv(lags_beside(VERIFIED)).fillna({"broken": ""})
    assert far_wanted() <= set(zip(lags.method, lags.broken, strict=True))
