"""Damaged evidence: one line that names the file, or a row that says what is missing; never a traceback."""

from pathlib import Path

import pytest

from artbp_exp.errors import UserError
from artbp_exp.evidence.claims.balancing import balancing_claims
from artbp_exp.evidence.claims.lengths import size_claims
from artbp_exp.evidence.claims.ptb.family import ptb_claims
from artbp_exp.evidence.recipe import recipe
from tests.evidence.conftest import balancing_run, find

CARRIED = "lead_ptb_tier1_carried"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("summary.json", '{"status": "finished", "valid_bpc": "x"}', "has valid_bpc: 'x', which is not a number"),
        ("config.yaml", "method: 3", "has method: 3, which is not a group of settings"),
        ("config.yaml", "", "has no method"),
        ("metrics.csv", "epoch,step,valid_bpc\none,two,three\n", "has 'one' in its column epoch"),
        ("metrics.csv", "epoch,step,valid_bpc\n10,100,three\n", "has 'three' in its column valid_bpc"),
        ("metrics.csv", "epoch,step\n10,100\n", "has no column valid_bpc"),
        ("metrics.csv", "epoch,step,valid_bpc\n9,90,1.7\n10,100,1.7\n", "has no valid_bpc at the end of epoch 8"),
    ],
)
def test_of_penn_treebank(file: str, text: str, said: str, results: Path) -> None:
    (results / "ptb_tier1" / "ptb" / "artbp-True" / "seed1" / file).write_text(text)
    with pytest.raises(UserError, match=f"seed1/{file} {said}.*; restore it, or move its folder away"):
        ptb_claims(results)


@pytest.mark.parametrize("text", ['{"status":', "[1]"])
def test_a_broken_summary_is_warned_of_and_missing_in_the_rows(text: str, results: Path) -> None:
    (results / "ptb_tier1" / "ptb" / "tbptt-True" / "seed1" / "summary.json").write_text(text)
    with pytest.warns(UserWarning, match=r"tbptt-True/seed1/summary.json is broken"):
        claim = find(ptb_claims(results), CARRIED)
    assert claim.counted == "2 seeds"
    assert "missing: truncated BPTT (carried) seed 1" in claim.note


def test_missing_segments_are_warned_of_and_missing_in_the_rows(tmp_path: Path) -> None:
    for seed in recipe("influence_balancing").seeds:
        balancing_run(tmp_path, seed=seed, segments="16,1000")
    assert find(balancing_claims(tmp_path), "cost").verdict == "holds"
    (tmp_path / "influence_balancing" / "seed3" / "segments.csv").unlink()
    with pytest.warns(UserWarning, match=r"seed3/segments.csv is not there"):
        claim = find(balancing_claims(tmp_path), "cost")
    assert (claim.verdict, claim.note) == ("not yet measured", "missing: seed 3")


def test_of_influence_balancing(tmp_path: Path) -> None:
    balancing_run(tmp_path, seed=0, segments="a,b")
    with pytest.raises(UserError, match=r"seed0/segments.csv has 'a' in its column length, which is not a number"):
        list(balancing_claims(tmp_path))


def test_of_the_phase_diagrams(tmp_path: Path) -> None:
    (tmp_path / "phase_sizes").mkdir()
    (tmp_path / "phase_sizes" / "cells.csv").write_text(
        "size,method,reweight,length,lr,seed,status,theta,theta_optimal\n7,artbp,True,4,high,0,finished,0.1,0.1\n"
    )
    with pytest.raises(UserError, match=r"phase_sizes/cells.csv has 'high' in its column lr, which is not a number"):
        size_claims(tmp_path)
