"""The fair comparison: every arm at its own best learning rate."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from artbp_exp.errors import UserError
from artbp_exp.evidence.best_rates.comparison import PTB
from artbp_exp.evidence.best_rates.figure import best_rates
from artbp_exp.evidence.best_rates.table import table
from artbp_exp.evidence.tables.summary import _bias, _penn_treebank
from tests.conftest import ROOT
from tests.evidence.conftest import find

ARTBP = {"name": "artbp", "length": 50, "schedule": "paper", "alpha": 4, "reweight": True}
RANDOM = ARTBP | {"reweight": False}
SHORT = {"name": "tbptt", "length": 50, "phase": "fixed"}
LONG = SHORT | {"length": 197}


def run(
    results: Path,
    method: dict[str, Any],
    rate: float,
    end: float,
    *,
    seed: int = 0,
    lost: bool = False,
    optimizer: dict[str, Any] | None = None,
) -> None:
    optimizer = {"lr": rate, "schedule": "cosine"} | (optimizer or {})
    folder = results / PTB.name / "-".join(map(str, [*method.values(), *optimizer.values()])) / f"seed{seed}"
    folder.mkdir(parents=True)
    settings = {"task": {"name": "ptb", "epochs": 10}, "model": {"name": "lstm"}, "optimizer": optimizer, "seed": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump(settings | {"method": method}))
    summary = {"status": "diverged" if lost else "finished", "test_bpc": end - 0.05, "method": method["name"]}
    (folder / "summary.json").write_text(json.dumps(summary))
    rows = "".join(f"{epoch},{epoch},{end}\n" for epoch in (8, 9, 10))
    (folder / "metrics.csv").write_text(f"epoch,step,valid_bpc\n{rows}")
    (folder / "segments.csv").write_text("length,count\n10,3\n70,1\n")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """ARTBP and its random cuts at 1.50, truncated BPTT of 50 at 1.55, of 197 at 1.48, each at a rate of its own.

    Of the recipe's rates 0.004 to 0.016 are run, so that 0.016 is an edge.
    """
    for seed in range(3):
        jitter = 0.001 * seed
        for method, best, end in ((ARTBP, 8e-3, 1.5), (RANDOM, 8e-3, 1.5), (SHORT, 1.6e-2, 1.55), (LONG, 4e-3, 1.48)):
            for rate in (4e-3, 8e-3, 1.6e-2):
                run(tmp_path, method, rate, end + jitter + (0 if rate == best else 0.03), seed=seed)
    return tmp_path


def test_each_arm_is_taken_at_its_own_best_rate(results: Path) -> None:
    arms = PTB.arms(results)
    assert {title: arm.best for title, arm in arms.items()} == {
        "ARTBP, L0 = 50, α = 4": 8e-3,
        "random cuts, not reweighted, L0 = 50, α = 4": 8e-3,
        "truncated BPTT, L = 50": 1.6e-2,
        "truncated BPTT, L = 197": 4e-3,
    }
    assert [arms[title].inside(PTB.grid) for title in sorted(arms)] == [True, True, False, False]
    assert arms["truncated BPTT, L = 50"].stored == pytest.approx((3 * 45 + 35 * 69) / 100)


def test_the_verdicts_follow_the_noise_of_all_arms(results: Path) -> None:
    claims = PTB.claims(results)
    lead, memory, reweighting = (
        find(claims, key) for key in ("ptb_fair_lead", "ptb_fair_memory", "ptb_fair_reweighting")
    )
    assert (lead.verdict, memory.verdict, reweighting.verdict) == ("not settled", "does not hold", "not settled")
    assert lead.found is not None
    assert lead.found.center == pytest.approx(0.05)
    assert "edge of the rates" in lead.note
    for seed in range(3):  # what is behind may be better at a rate that was not run
        run(results, SHORT, 6.4e-2, 1.58, seed=seed)
    assert find(PTB.claims(results), "ptb_fair_lead").verdict == "not settled"  # nor is a rate far off the next one
    for seed in range(3):
        run(results, SHORT, 3.2e-2, 1.58, seed=seed)
    assert find(PTB.claims(results), "ptb_fair_lead").verdict == "holds"


def test_one_seed_settles_nothing_and_a_rate_that_diverged_is_not_the_best(tmp_path: Path) -> None:
    run(tmp_path, ARTBP, 4e-3, 1.5)
    run(tmp_path, SHORT, 4e-3, 1.6)
    run(tmp_path, SHORT, 8e-3, 1.4, lost=True)
    claim = find(PTB.claims(tmp_path), "ptb_fair_lead")
    assert claim.verdict == "not settled"
    assert claim.found is not None
    assert claim.found.points == pytest.approx((0.1,))
    assert "no arm has a second seed" in claim.note
    assert "diverged" in table(PTB, tmp_path)
    assert find(PTB.claims(tmp_path), "ptb_fair_memory").verdict == "not yet measured"


def test_the_figure_and_the_table_have_every_arm(results: Path) -> None:
    run(results, SHORT | {"length": 10}, 4e-3, 1.49)  # at one rate: no line
    against_rate, at_best = best_rates(PTB.arms(results)).axes
    lines = [line for line in against_rate.get_lines() if line.get_linestyle() != "None"]
    assert len(lines) == 4
    assert [label.get_text() for label in at_best.get_yticklabels()][1] == "truncated BPTT, L = 10 (0.004)"
    rows = table(PTB, results).splitlines()
    assert len(rows) == 7
    assert rows[2].startswith("| truncated BPTT, L = 197")


def test_arms_that_differ_in_optimiser_or_decay_are_told_apart(results: Path) -> None:
    for optimizer in ({"length_aware": True}, {"schedule": "constant"}):
        run(results, ARTBP, 1e-3, 1.4, optimizer=optimizer)
    run(results, {"name": "awd", "length": 50}, 1e-3, 1.4, optimizer={"length_scaling": True})
    run(results, {"name": "awd", "length": 50}, 1e-3, 1.4, seed=1)
    titles = set(PTB.arms(results))
    assert {f"{PTB.own}, length-aware Adam", f"{PTB.own}, no decay", "AWD-LSTM's lengths, L = 50"} <= titles
    assert "AWD-LSTM's lengths, L = 50, rate not scaled" in titles


def test_two_runs_of_one_seed_are_refused(results: Path) -> None:
    shutil.copytree(next((results / PTB.name).glob("artbp*")), results / PTB.name / "again")
    with pytest.raises(UserError, match="are runs of one seed; move one of them elsewhere"):
        PTB.arms(results)


def test_the_short_arms_are_compared_with_one_another(results: Path) -> None:
    assert find(PTB.claims(results), "ptb_fair_short").verdict == "not yet measured"
    for seed in range(3):
        for rate in (4e-3, 8e-3, 1.6e-2):
            run(results, SHORT | {"length": 10}, rate, 1.6 + 0.001 * seed + 0.02 * (rate != 8e-3), seed=seed)
            run(results, ARTBP | {"length": 10}, rate, 1.52 + 0.001 * seed + 0.02 * (rate != 8e-3), seed=seed)
    claim = find(PTB.claims(results), "ptb_fair_short")
    assert claim.verdict == "holds"
    assert claim.found is not None
    assert claim.found.center == pytest.approx(0.08)


def test_a_rate_does_not_win_by_its_seeds(tmp_path: Path) -> None:
    for seed, end in enumerate((1.50, 1.50, 1.56, 1.56, 1.56)):
        run(tmp_path, SHORT, 1.6e-2, end, seed=seed)
    for seed in range(2):
        run(tmp_path, SHORT, 3.2e-2, 1.52, seed=seed)
    (arm,) = PTB.arms(tmp_path).values()
    assert arm.best == 1.6e-2


def test_arms_without_a_seed_in_common_are_not_compared(tmp_path: Path) -> None:
    for seed in range(3):
        for rate in PTB.grid:
            run(tmp_path, ARTBP, rate, 1.5 + (rate != 1.6e-2), seed=seed)
            run(tmp_path, SHORT, rate, 1.6 + (rate != 1.6e-2), seed=seed + 10)
    claim = find(PTB.claims(tmp_path), "ptb_fair_lead")
    assert (claim.verdict, claim.found) == ("not yet measured", None)


def test_runs_that_differ_in_a_setting_are_not_of_one_arm(results: Path) -> None:
    run(results, ARTBP, 1.6e-2, 1.2, seed=7, optimizer={"clip": 1})
    with pytest.raises(UserError, match=r"differ in optimizer\.clip; move one of them elsewhere"):
        PTB.arms(results)


def test_an_arm_that_diverged_is_shown_so(tmp_path: Path) -> None:
    run(tmp_path, ARTBP, 4e-3, 1.5)
    run(tmp_path, ARTBP, 1.6e-2, 1.6)
    run(tmp_path, ARTBP, 8e-3, 1.5, lost=True)
    run(tmp_path, SHORT, 4e-3, 1.4, lost=True)
    assert "truncated BPTT, L = 50 diverged at every rate" in find(PTB.claims(tmp_path), "ptb_fair_lead").note
    assert table(PTB, tmp_path).splitlines()[-1].count("diverged") == 1
    against_rate, at_best = best_rates(PTB.arms(tmp_path)).axes
    assert [text.get_text() for text in against_rate.texts] == ["↑ diverged"]
    assert np.isnan(against_rate.get_lines()[0].get_ydata()[1])
    assert len(at_best.get_yticklabels()) == 1


def test_the_summary_has_a_dash_where_an_arm_is_missing(tmp_path: Path) -> None:
    run(tmp_path, ARTBP, 4e-3, 1.5)
    assert _penn_treebank(tmp_path)[1:] == ("1.500 (1.500 to 1.500)", "–", "–")


def test_the_readme_says_of_artbp_only_what_is_claimed_unbiased() -> None:
    assert _bias(ROOT / "results")[1].endswith("rounding")
