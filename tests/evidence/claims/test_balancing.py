"""Claims about influence balancing, and the statistics under them."""

import json
import math
import shutil
from pathlib import Path

import pytest
from scipy import stats

from artbp_exp.evidence.claims import lengths
from artbp_exp.evidence.claims.balancing import balancing_claims, of
from artbp_exp.evidence.claims.claim import NOT_YET, interval
from artbp_exp.evidence.claims.rates import rate_claims, rates
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import bare, contrast, holm, spread, without_chance
from artbp_exp.runs.load import load_runs
from tests.conftest import ROOT
from tests.evidence.conftest import balancing_run, find


def test_what_draws_nothing_counts_once() -> None:
    away = find(rate_claims(ROOT / "results"), "runs_away_100")
    assert away.counted == "1 run"
    assert away.note.endswith("deterministic: its seeds coincide")
    assert interval(away.found) == "–"


@pytest.mark.parametrize("length", [10, 100])
def test_one_run_that_comes_nearer_is_enough_to_refute_that_all_run_away(length: int, tmp_path: Path) -> None:
    for run in of(load_runs(ROOT / "results" / "learning_rates"), "tbptt", length):
        shutil.copytree(run.path, tmp_path / run.path.relative_to(ROOT / "results"))
    assert find(rate_claims(tmp_path), f"runs_away_{length}").verdict == "holds"
    (one,) = (
        run
        for run in of(load_runs(tmp_path), "tbptt", length)
        if run.config["optimizer"]["lr"] == 1e-4 and run.config["seed"] == 0
    )
    half = (0.5 + one.summary["theta_optimal"]) / 2  # from ½ half the way to θ*
    (one.path / "summary.json").write_text(json.dumps(one.summary | {"theta": half, "status": "finished"}))
    claim = find(rate_claims(tmp_path), f"runs_away_{length}")
    assert claim.verdict == "does not hold"
    assert claim.found is not None
    assert min(claim.found.points) == pytest.approx(-math.log10(2))
    assert "smallest growth at η = 0.0001: -50 %" in claim.note


def test_costs_are_those_of_the_lengths(tmp_path: Path) -> None:
    counts = {0: {16: 1000}, 1: {1: 500, 31: 500}}
    for seed, drawn in counts.items():
        rows = "\n".join(f"{length},{count}" for length, count in drawn.items())
        balancing_run(tmp_path, seed=seed, segments=rows)
    # segments of 16 steps have 7½ stored on average, as truncated BPTT has; those of 1 and of 31 by turns 31·15/32
    cost, stored = (find(balancing_claims(tmp_path), key) for key in ("cost", "memory"))
    assert cost.found is not None
    assert stored.found is not None
    assert cost.found.points == pytest.approx((1.0, 1.0))
    assert stored.found.points == pytest.approx((1.0, 31 * 15 / 32 / 7.5))


def test_a_run_that_diverged_has_not_converged_wherever_it_was_last(tmp_path: Path) -> None:
    for seed in recipe("influence_balancing").seeds:
        balancing_run(tmp_path, seed=seed, segments="16,1000")
    assert find(balancing_claims(tmp_path), "converges").verdict == "holds"
    (one,) = (run for run in load_runs(tmp_path) if run.config["seed"] == 4)
    (one.path / "summary.json").write_text(json.dumps(one.summary | {"status": "diverged"}))
    claim = find(balancing_claims(tmp_path), "converges")
    assert claim.verdict == "does not hold"
    assert claim.found is not None
    assert max(claim.found.points) == math.inf


def test_a_part_of_the_grid_of_learning_rates_is_not_the_grid(tmp_path: Path) -> None:
    source = ROOT / "results" / "learning_rates"
    for summary in source.rglob("seed0/summary.json"):
        if "lr=0.01" in str(summary):
            shutil.copytree(summary.parent, tmp_path / "learning_rates" / summary.parent.relative_to(source))
    rows = [claim for claim in rate_claims(tmp_path) if claim.key != "control"]
    assert len(rows) == 3
    assert {claim.verdict for claim in rows} == {NOT_YET}
    assert all("missing: 44 of 45 runs" in claim.note for claim in rows if claim.found)


def test_the_grids_wanted_are_those_of_the_recipes() -> None:
    assert len(rates()) == 9
    assert (rates()[0], rates()[-1]) == (1e-6, 1e-2)
    assert recipe("influence_balancing").seeds == tuple(range(10))
    assert lengths.wanted_sizes() == (7, 12, 23, 46, 69, 92)
    assert lengths.wanted_seeds("phase_sizes") == {"artbp": 5, "tbptt": 1}


def test_levels_are_adjusted_as_by_r() -> None:
    # p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.6, 0.7), "holm"), in the order given
    found = holm([0.01, 0.04, 0.03, 0.005, 0.6, 0.7])
    assert found == pytest.approx([0.05, 0.12, 0.12, 0.03, 1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_spread() -> None:
    assert spread([1.0, 2.0]).low is None
    assert spread([2.0, 2.0, 2.0]).low == 2.0
    assert without_chance([2.0, 2.0, 2.0]) == (bare([2.0]), "deterministic: its seeds coincide")
    assert without_chance([2.0, 2.0, 3.0]) == (spread([2.0, 2.0, 3.0]), "")
    below = spread([-1.0, -2.0, -1.5, -1.2])
    assert below.low is not None
    assert below.low <= below.center <= (below.high or 0)


def test_a_contrast_of_two_cells_is_students_test() -> None:
    a, b = [1.0, 1.5, 0.8], [2.0, 2.2, 1.7, 2.4]
    found = contrast({"a": a, "b": b}, {"a": -1, "b": 1})
    assert found is not None
    oracle = stats.ttest_ind(b, a)
    assert (found.value, found.freedom) == (pytest.approx(2.075 - 1.1), 5)
    assert found.p == pytest.approx(oracle.pvalue)
    assert (found.value - found.half, found.value + found.half) == pytest.approx(tuple(oracle.confidence_interval()))


def test_a_contrast_borrows_its_noise_from_every_cell_and_needs_some() -> None:
    cells = {"a": [1.0], "b": [2.0], "c": [0.0, 0.2], "d": [5.0, 5.2, 5.4]}
    found = contrast(cells, {"a": -1, "b": 1})
    assert found is not None
    assert (found.noise, found.freedom) == (pytest.approx(((0.02 + 0.08) / 3) ** 0.5), 3)
    assert contrast({"a": [1.0], "b": [2.0]}, {"a": -1, "b": 1}) is None
    assert contrast(cells, {"a": -1, "e": 1}) is None
