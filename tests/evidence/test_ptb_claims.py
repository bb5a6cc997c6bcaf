"""Claims about Penn Treebank: paired by seed, and nothing said of what did not end."""

import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from scipy import stats

from artbp_exp.errors import UserError
from artbp_exp.evidence.claim import NOT_YET
from artbp_exp.evidence.ptb_claims import leads, ptb_claims
from artbp_exp.evidence.ptb_runs import TIERS, arms
from artbp_exp.runs.load import load_runs
from tests.conftest import ROOT
from tests.evidence.conftest import find, ptb_run

BEST = ("ahead of truncated BPTT, each at its best valid epoch, valid", "256")
LAST = ("ahead of truncated BPTT, at the end of the last epoch, valid", "256")


def test_a_lead_on_every_seed_holds_and_is_paired_by_seed(results: Path) -> None:
    claim = find(ptb_claims(results), *BEST, "state carried")
    assert claim.verdict == "holds"
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.02, 0.021, 0.022))
    assert claim.note.startswith(
        "seeds 0, 1, 2; t-test of a difference of 0: p = 0.00076, adjusted 0.0023 (Holm, 3 tests)"
    )


def test_two_seeds_settle_nothing_and_what_is_missing_is_said(results: Path) -> None:
    claim = find(ptb_claims(results), "random cuts", "best valid epoch, valid", "256", "carried")
    assert claim.verdict == "not settled"
    assert claim.seeds == 2
    assert claim.note == "seeds 0, 1; missing: random cuts, not reweighted (carried) seed 2"
    reset = find(ptb_claims(results), "ahead of truncated BPTT", "epoch, test", "256", "reset at cuts)")
    assert reset.verdict == NOT_YET
    assert "truncated BPTT (reset) seed 0, 1, 2" in reset.note


def interrupt(results: Path, arm: str, seed: int) -> None:
    """As if it had been stopped after its first epoch."""
    (path,) = (results / "ptb_tier1").glob(f"ptb/{arm}-True/seed{seed}/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "interrupted"}))
    metrics = path.with_name("metrics.csv")
    metrics.write_text("".join(metrics.read_text().splitlines(keepends=True)[:2]))


def test_a_run_that_has_not_ended_is_missing_and_how_far_it_is_is_said(results: Path) -> None:
    interrupt(results, "tbptt", 2)
    claim = find(ptb_claims(results), *BEST, "state carried")
    assert claim.seeds == 2
    assert claim.note == (
        "seeds 0, 1; missing: truncated BPTT (carried) seed 2; seed 2 so far, which is not the result: valid bpc at "
        "the end of epoch 1 of 10: ARTBP 1.970, truncated BPTT 1.992"
    )
    (results / "ptb_tier1" / "ptb" / "tbptt-True" / "seed2" / "summary.json").unlink()  # killed: not even that
    assert find(ptb_claims(results), *BEST, "state carried") == claim


def test_the_leads_that_are_drawn_are_those_of_the_table(results: Path) -> None:
    claim = find(ptb_claims(results), *BEST, "state carried")
    assert leads(results)["LSTM, 256 units, 10 epochs; state carried"]["truncated BPTT"]["valid"] == claim.spread
    assert list(leads(results)) == ["LSTM, 256 units, 10 epochs; state carried"]


def test_a_seed_that_was_run_again_says_how_far_rounding_moves_a_lead(results: Path) -> None:
    assert not [claim for claim in ptb_claims(results) if "rounding" in claim.claim]
    ptb_run(results, {"name": "artbp"}, carry=True, seed=1, valid=1.64, worse=0.03, folder="ptb_rounding")
    ptb_run(results, {"name": "tbptt"}, carry=True, seed=1, valid=1.65, folder="ptb_rounding")
    claim = find(ptb_claims(results), "rounding", "best valid epoch, valid")
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.011,))
    assert claim.note == "seed 1: +0.021, run again +0.010"
    assert claim.verdict == "measured"
    # what was recorded, not what a reader might try
    assert claim.command == (
        "artbp-run recorded method=artbp seed=1  # at commit 0123456; "
        "artbp-run recorded method=tbptt seed=1  # at commit 0123456"
    )
    assert find(ptb_claims(results), "rounding", "last epoch").note == "seed 1: +0.021, run again -0.020"


def test_a_row_says_what_the_test_gives_with_a_seed_as_run_again_and_goes_by_its_own_runs(results: Path) -> None:
    ptb_run(results, {"name": "artbp"}, carry=True, seed=1, valid=1.64, folder="ptb_rounding")
    ptb_run(results, {"name": "tbptt"}, carry=True, seed=1, valid=1.645, folder="ptb_rounding")
    claim = find(ptb_claims(results), *BEST, "state carried")
    assert claim.verdict == "holds"
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.02, 0.021, 0.022))
    p = stats.ttest_1samp([0.02, 0.005, 0.022], 0).pvalue
    assert claim.note.endswith(
        f"with seed 1 (+0.021 → +0.005) as run again with other rounding in results/ptb_rounding: p = {p:.2g}, "
        f"adjusted {3 * p:.2g}, by which it would be not settled"
    )


def test_the_committed_repeat_of_seed_0_is_said_beside_the_verdict() -> None:
    claims = ptb_claims(ROOT / "results")
    assert "(+0.026 → +0.014)" in find(claims, *BEST, "state carried").note
    assert "by which it would be not settled" in find(claims, *BEST, "state carried").note


def test_the_last_epoch_has_rows_of_its_own(results: Path) -> None:
    for seed, worse in ((0, 0.03), (1, 0.02), (2, 0.01)):
        ptb_run(results, {"name": "artbp"}, carry=False, seed=seed, valid=1.6, worse=worse)
        ptb_run(results, {"name": "tbptt"}, carry=False, seed=seed, valid=1.62 + 0.001 * seed)
    best, last = (find(ptb_claims(results), *words, "reset at cuts)") for words in (BEST, LAST))
    assert best.spread is not None
    assert last.spread is not None
    assert best.spread.points == pytest.approx((0.02, 0.021, 0.022))
    assert last.spread.points == pytest.approx((-0.01, 0.001, 0.012))
    assert (best.verdict, last.verdict) == ("holds", "not settled")
    assert not [claim for claim in ptb_claims(results) if "last epoch, test" in claim.claim]


def test_a_finished_run_without_its_last_epoch_is_refused(results: Path) -> None:
    path = next((results / "ptb_tier1").glob("ptb/artbp-True/seed0/metrics.csv"))
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UserError, match=r"seed0/metrics.csv has no valid_bpc at the end of epoch 10"):
        ptb_claims(results)


def test_all_tests_are_one_family(results: Path) -> None:
    """A difference that passes by itself does not among many."""
    leads_of = (0.010, 0.017, 0.012)
    for seed, lead in enumerate(leads_of):
        ptb_run(results, {"name": "artbp"}, carry=False, seed=seed, valid=1.6)
        ptb_run(results, {"name": "tbptt"}, carry=False, seed=seed, valid=1.6 + lead)
    p = stats.ttest_1samp(leads_of, 0).pvalue
    assert 0.01 < p < 0.05
    claim = find(ptb_claims(results), *BEST, "reset at cuts)")
    assert claim.verdict == "not settled"
    # three parts × (carried, reset, reset − carried); nothing tested of the other method, which has two seeds
    assert f"p = {p:.2g}, adjusted " in claim.note
    assert "(Holm, 9 tests)" in claim.note


def diverge(results: Path, arm: str, seed: int) -> None:
    (path,) = (results / "ptb_tier1").glob(f"ptb/{arm}-True/seed{seed}/summary.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | {"status": "diverged"}))


def test_a_diverged_run_is_named_and_its_best_epoch_not_counted(results: Path) -> None:
    diverge(results, "tbptt", 2)
    claim = find(ptb_claims(results), *BEST, "state carried")
    assert claim.seeds == 2
    assert claim.note == "seeds 0, 1; diverged: truncated BPTT (carried) seed 2"


def test_artbp_is_not_ahead_if_it_diverged_on_some_seed(results: Path) -> None:
    for seed in (3, 4):
        ptb_run(results, {"name": "artbp"}, carry=True, seed=seed, valid=1.6)
        ptb_run(results, {"name": "tbptt"}, carry=True, seed=seed, valid=1.62 + 0.001 * seed)
    assert find(ptb_claims(results), *BEST, "state carried").verdict == "holds"
    diverge(results, "artbp", 4)
    claim = find(ptb_claims(results), *BEST, "state carried")
    assert claim.seeds == 4
    assert claim.verdict == "not settled"
    assert claim.note.endswith("diverged: ARTBP (carried) seed 4")


def test_the_lead_with_reset_is_compared_on_the_seeds_that_have_both(results: Path) -> None:
    for seed, lead in ((1, 0.05), (2, 0.06), (3, 0.5)):
        ptb_run(results, {"name": "artbp"}, carry=False, seed=seed, valid=1.6)
        ptb_run(results, {"name": "tbptt"}, carry=False, seed=seed, valid=1.6 + lead)
    claim = find(ptb_claims(results), "larger where the state is reset at cuts, each", "valid (LSTM, 256")
    assert claim.spread is not None
    assert claim.spread.points == pytest.approx((0.05 - 0.021, 0.06 - 0.022))
    for rest in ("each at its best valid epoch, test", "at the end of the last epoch, valid"):
        assert find(ptb_claims(results), "larger where the state is reset", rest).seeds == 2
    assert claim.note.startswith("seeds 1, 2; missing: ARTBP (reset) seed 0")


def test_a_run_with_other_settings_is_another_experiment(results: Path) -> None:
    for seed in range(3):
        ptb_run(results, {"name": "artbp", "alpha": 8}, carry=True, seed=seed, valid=9.0)
    assert find(ptb_claims(results), *BEST, "state carried").verdict == "holds"


def test_arms_tell_reweighting_apart(results: Path) -> None:
    assert set(arms(load_runs(results / "ptb_tier1"), {})) == {("artbp", True), ("tbptt", True), ("random", True)}


def test_the_settings_of_a_tier_are_those_of_its_recipe() -> None:
    for tier in TIERS:
        with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = compose("config", overrides=[f"experiment={tier.name}"])
        assert {key: OmegaConf.select(config, key) for key in tier.settings} == dict(tier.settings)
