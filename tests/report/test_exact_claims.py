"""Claims about unbiasedness: none from part of the sweep."""

from pathlib import Path

import pytest

from artbp_exp.report.claim import NOT_YET
from artbp_exp.report.exact_claims import exact_claims
from tests.conftest import ROOT

VERIFIED = ROOT / "results" / "verify" / "everything.csv"


@pytest.mark.parametrize("kept", [1, 40])
def test_a_sweep_of_the_verification_that_was_cut_short_shows_nothing(tmp_path: Path, kept: int) -> None:
    (tmp_path / "verify").mkdir()
    lines = VERIFIED.read_text().splitlines(keepends=True)
    (tmp_path / "verify" / "everything.csv").write_text("".join(lines[:kept]))
    (claim,) = exact_claims(tmp_path)
    assert claim.verdict == NOT_YET
    assert claim.note.startswith("missing: ")
    assert " more" in claim.note


def test_the_committed_sweep_of_the_verification_is_whole() -> None:
    assert [claim.verdict for claim in exact_claims(ROOT / "results")] == ["holds"] * 3
