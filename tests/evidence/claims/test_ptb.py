"""Claims about Penn Treebank: one end point, one pooled noise, and nothing said of what did not end."""

import json
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from scipy import stats

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting import runs as authors_setting
from artbp_exp.evidence.claims.claim import NOT_YET
from artbp_exp.evidence.claims.ptb.family import commands, ptb_claims
from artbp_exp.evidence.claims.ptb.measured import Measured, ahead, leads
from artbp_exp.evidence.claims.ptb.rows import RESET
from artbp_exp.evidence.ptb_runs import RECIPE, SETTINGS, arms, end_point, late
from artbp_exp.runs.load import load_runs
from tests.conftest import ROOT
from tests.evidence.conftest import find, ptb_run

CARRIED, RESET_LEAD = "lead_ptb_tier1_carried", "lead_ptb_tier1_reset"
LEAD = 0.05
"""Far above the spread of the made-up seeds."""


@pytest.fixture
def ahead_by(results: Path) -> Path:
    """The same results with ARTBP ahead by `LEAD`, where the state is reset."""
    for seed in range(3):
        ptb_run(results, {"name": "artbp"}, carry=False, seed=seed, valid=1.6 + 0.001 * seed)
        ptb_run(results, {"name": "tbptt"}, carry=False, seed=seed, valid=1.6 + LEAD + 0.002 * seed)
    return results


def test_the_end_point_is_the_mean_of_the_last_quarter_of_the_epochs(results: Path) -> None:
    assert [late(epochs) for epochs in (3, 10, 20)] == [1, 3, 5]
    ptb_run(results, {"name": "artbp"}, carry=False, seed=7, valid=1.6, worse=0.03)
    (run,) = (run for run in load_runs(results) if run.config["seed"] == 7)
    assert end_point(run) == pytest.approx(1.61)


def test_a_lead_far_above_the_pooled_noise_holds(ahead_by: Path) -> None:
    claim = find(ptb_claims(ahead_by), RESET_LEAD)
    assert claim.verdict == "holds"
    assert claim.found is not None
    assert claim.found.points == pytest.approx((0.05, 0.051, 0.052))
    assert (claim.found.center, claim.found.statistic) == (pytest.approx(0.051), "mean")
    assert claim.paper
    assert RESET in claim.note


def test_the_noise_is_that_of_every_method_and_state(ahead_by: Path) -> None:
    measured = Measured.of(ahead_by)
    found = measured.test(ahead("tbptt", carried=False))
    assert found is not None
    # two seeds of random cuts that coincide, and four cells of three seeds
    squares = sum(2 * step**2 for step in (0.01, 0.011, 0.001, 0.002))
    assert (found.freedom, found.noise) == (9, pytest.approx((squares / 9) ** 0.5))


def test_a_difference_within_the_pooled_noise_is_not_settled_however_alike_its_seeds(results: Path) -> None:
    """Three leads of 0.020 to 0.022 pass a paired t-test, though another method's seeds are 0.1 apart."""
    ptb_run(results, {"name": "artbp", "reweight": False}, carry=True, seed=2, valid=1.75)
    claim = find(ptb_claims(results), CARRIED)
    assert claim.found is not None
    assert stats.ttest_1samp(claim.found.points, 0).pvalue < 0.001
    assert claim.verdict == "not settled"


def test_all_tests_are_one_family(ahead_by: Path) -> None:
    claims = ptb_claims(ahead_by)
    found = [test for key in (CARRIED, RESET_LEAD, "share_of_reset") if "adjusted" in (test := find(claims, key).note)]
    assert len(found) == 3
    # random cuts have no run with the state reset, so that carrying it is not tested
    assert "adjusted" not in find(claims, "carrying").note


def test_what_is_missing_is_said_and_nothing_claimed(results: Path) -> None:
    reset = find(ptb_claims(results), RESET_LEAD)
    assert reset.verdict == NOT_YET
    assert "missing: truncated BPTT (reset) seed 0, 1, 2, ARTBP (reset) seed 0, 1, 2" in reset.note


def interrupt(results: Path, arm: str, seed: int) -> None:
    """As if it had been stopped after its first epoch."""
    (path,) = (results / "ptb_tier1").glob(f"ptb/{arm}-True/seed{seed}/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    metrics = path.with_name("metrics.csv")
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:2]))


def test_a_run_that_has_not_ended_is_missing(results: Path) -> None:
    interrupt(results, "tbptt", 2)
    claim = find(ptb_claims(results), CARRIED)
    assert claim.counted == "2 seeds"
    assert claim.note.endswith("missing: truncated BPTT (carried) seed 2")
    (results / "ptb_tier1" / "ptb" / "tbptt-True" / "seed2" / "summary.json").unlink()  # killed: not even that
    assert find(ptb_claims(results), CARRIED) == claim


def diverge(results: Path, arm: str, seed: int) -> None:
    (path,) = (results / "ptb_tier1").glob(f"ptb/{arm}/seed{seed}/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "diverged"}))


def test_a_diverged_run_is_named_and_not_counted(ahead_by: Path) -> None:
    diverge(ahead_by, "tbptt-False", 2)
    claim = find(ptb_claims(ahead_by), RESET_LEAD)
    assert (claim.counted, claim.verdict) == ("2 seeds", "holds")
    assert "diverged: truncated BPTT (reset) seed 2" in claim.note


def test_artbp_is_not_ahead_if_it_diverged_on_some_seed(ahead_by: Path) -> None:
    diverge(ahead_by, "artbp-False", 2)
    claim = find(ptb_claims(ahead_by), RESET_LEAD)
    assert claim.verdict == "not settled"
    assert "diverged: ARTBP (reset) seed 2" in claim.note


def repeat(results: Path, *, artbp: float, tbptt: float) -> None:
    """Seed 1, state reset, run again with other rounding."""
    ptb_run(results, {"name": "artbp"}, carry=False, seed=1, valid=artbp, folder="ptb_rounding")
    ptb_run(results, {"name": "tbptt"}, carry=False, seed=1, valid=tbptt, folder="ptb_rounding")


def test_a_repeated_run_is_one_more_replicate(ahead_by: Path) -> None:
    repeat(ahead_by, artbp=1.602, tbptt=1.653)
    measured = Measured.of(ahead_by)
    assert measured.replicates["artbp", False] == pytest.approx([1.6, 1.601, 1.602, 1.602])
    assert measured.again["artbp", False] == pytest.approx({0: 1.6, 1: 1.602, 2: 1.602})
    assert find(ptb_claims(ahead_by), RESET_LEAD).verdict == "holds"


def test_a_verdict_that_its_own_repetition_would_overturn_is_not_settled(ahead_by: Path) -> None:
    assert find(ptb_claims(ahead_by), RESET_LEAD).verdict == "holds"
    repeat(ahead_by, artbp=1.64, tbptt=1.58)
    claim = find(ptb_claims(ahead_by), RESET_LEAD)
    assert claim.verdict == "not settled"


def test_how_far_rounding_moves_a_lead(results: Path) -> None:
    assert not [claim for claim in ptb_claims(results) if claim.key == "rounding"]
    ptb_run(results, {"name": "artbp"}, carry=True, seed=1, valid=1.64, worse=0.03, folder="ptb_rounding")
    ptb_run(results, {"name": "tbptt"}, carry=True, seed=1, valid=1.65, folder="ptb_rounding")
    claim = find(ptb_claims(results), "rounding")
    assert claim.found is not None
    assert claim.found.points == pytest.approx((0.021,))
    assert claim.note == "seed 1: +0.021, run again +0.000"
    assert claim.verdict == "measured"
    # what was recorded, not what a reader might try
    assert commands(results) == [
        "artbp-run recorded method=artbp seed=1  # at commit 0123456",
        "artbp-run recorded method=tbptt seed=1  # at commit 0123456",
    ]


def test_the_leads_that_are_drawn_are_those_of_the_table(results: Path) -> None:
    claim = find(ptb_claims(results), CARRIED)
    drawn = {(lead.carried, lead.method): lead.lead for lead in leads(results)}
    assert drawn[True, "tbptt"] == claim.found
    assert set(drawn) == {(True, "tbptt"), (True, "random")}


def test_the_committed_lead_is_not_settled_because_its_repetition_overturns_it() -> None:
    claim = find(ptb_claims(ROOT / "results"), CARRIED)
    assert claim.verdict == "not settled"
    assert claim.found is not None
    assert claim.found.center == pytest.approx(0.0190, abs=5e-5)
    assert "in the place of those that they repeat: +0.0163 ± 0.0153" in claim.note


def test_the_committed_runs_show_carrying_worse_on_every_pair_and_an_equivalence_with_its_interval() -> None:
    claims = ptb_claims(ROOT / "results")
    carrying, reweighting = find(claims, "carrying"), find(claims, "reweighting")
    assert carrying.found is not None
    assert (len(carrying.found.points), min(carrying.found.points) > 0, carrying.verdict) == (9, True, "holds")
    assert reweighting.found is not None
    assert (reweighting.found.low, reweighting.found.high) == pytest.approx((-0.0106, 0.0094), abs=5e-5)
    assert "the margin was chosen after these runs had been seen" in reweighting.note


def test_the_authors_logs_are_kept_apart_by_batch_size() -> None:
    logs = authors.logs(ROOT / "results")
    counts = logs.groupby(["batch_size", "forget_bias", "method"])["run"].nunique()
    assert counts.to_dict() == {
        (64, 2, "artbp"): 5, (64, 2, "tbptt"): 5, (32, 2, "artbp"): 1, (32, 2, "tbptt"): 1,
        (32, 0, "artbp"): 1, (32, 0, "tbptt"): 1,
    }  # fmt: skip
    final = authors.at_epoch(logs, 20)
    assert final["artbp"] == pytest.approx((1.436, 0.005), abs=5e-4)
    assert final["tbptt"] == pytest.approx((1.473, 0.003), abs=5e-4)


def test_the_lead_with_reset_is_compared_on_the_seeds_that_have_both(results: Path) -> None:
    for seed, lead in ((1, 0.05), (2, 0.06), (3, 0.5)):
        ptb_run(results, {"name": "artbp"}, carry=False, seed=seed, valid=1.6)
        ptb_run(results, {"name": "tbptt"}, carry=False, seed=seed, valid=1.6 + lead)
    claim = find(ptb_claims(results), "share_of_reset")
    assert claim.found is not None
    assert claim.found.points == pytest.approx((0.05 - 0.021, 0.06 - 0.022))
    assert "missing: truncated BPTT (reset) seed 0, ARTBP (reset) seed 0" in claim.note


def test_a_run_with_other_settings_is_another_experiment(ahead_by: Path) -> None:
    for seed in range(3):
        ptb_run(ahead_by, {"name": "artbp", "alpha": 8}, carry=False, seed=seed, valid=9.0)
    assert find(ptb_claims(ahead_by), RESET_LEAD).verdict == "holds"


def test_arms_tell_reweighting_apart(results: Path) -> None:
    assert set(arms(results / RECIPE)) == {("artbp", True), ("tbptt", True), ("random", True)}


@pytest.mark.parametrize(
    ("recipe", "settings"), [(RECIPE, SETTINGS), (authors_setting.RECIPE, authors_setting.SETTINGS)]
)
def test_the_settings_are_those_of_the_recipe(recipe: str, settings: dict[str, Any]) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        config = compose("config", overrides=[f"experiment={recipe}"])
    assert {key: OmegaConf.select(config, key) for key in settings} == settings
