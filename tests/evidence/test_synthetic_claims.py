"""Claims about influence balancing, and the statistics under them."""

import json
import math
import re
import shutil
from pathlib import Path

import pytest
import yaml

from artbp_exp.evidence import length_claims
from artbp_exp.evidence.claim import NOT_YET, interval
from artbp_exp.evidence.statistics import bare, holm, level, sign_verdict, spread, without_chance
from artbp_exp.evidence.synthetic_claims import LEARNING_RATES, SEEDS, SEEDS_OF_RATES, of, synthetic_claims
from artbp_exp.runs.load import load_runs
from tests.conftest import ROOT
from tests.evidence.conftest import balancing_run, find


def test_what_draws_nothing_counts_once() -> None:
    away = find(synthetic_claims(ROOT / "results"), "L = 100 runs away")
    assert away.counted == "1 run"
    assert away.note.endswith("deterministic: its seeds coincide")
    assert interval(away.spread) == "–"


@pytest.mark.parametrize("length", [10, 100])
def test_one_run_that_comes_nearer_is_enough_to_refute_that_all_run_away(length: int, tmp_path: Path) -> None:
    for run in of(load_runs(ROOT / "results" / "learning_rates"), "tbptt", length):
        shutil.copytree(run.path, tmp_path / run.path.relative_to(ROOT / "results"))
    assert find(synthetic_claims(tmp_path), f"L = {length} runs away").verdict == "holds"
    (one,) = (
        run
        for run in of(load_runs(tmp_path), "tbptt", length)
        if run.config["optimizer"]["lr"] == 1e-4 and run.config["seed"] == 0
    )
    half = (0.5 + one.summary["theta_optimal"]) / 2  # from ½ half the way to θ*
    (one.path / "summary.json").write_text(json.dumps(one.summary | {"theta": half, "status": "finished"}))
    claim = find(synthetic_claims(tmp_path), f"L = {length} runs away")
    assert claim.verdict == "does not hold"
    assert claim.spread is not None
    assert min(claim.spread.points) == pytest.approx(-math.log10(2))
    assert "smallest growth at η = 0.0001: -50 %" in claim.note


def test_costs_are_those_of_the_lengths(tmp_path: Path) -> None:
    counts = {0: {16: 1000}, 1: {1: 500, 31: 500}}
    for seed, lengths in counts.items():
        rows = "\n".join(f"{length},{count}" for length, count in lengths.items())
        balancing_run(tmp_path, seed=seed, segments=rows)
    # segments of 16 steps have 7½ stored on average, as truncated BPTT has; those of 1 and of 31 by turns 31·15/32
    cost, stored = (find(synthetic_claims(tmp_path), words) for words in ("costs, on average", "in memory"))
    assert cost.spread is not None
    assert stored.spread is not None
    assert cost.spread.points == pytest.approx((1.0, 1.0))
    assert stored.spread.points == pytest.approx((1.0, 31 * 15 / 32 / 7.5))


def test_a_run_that_diverged_has_not_converged_wherever_it_was_last(tmp_path: Path) -> None:
    for seed in SEEDS:
        balancing_run(tmp_path, seed=seed, segments="16,1000")
    assert find(synthetic_claims(tmp_path), "converges, on every seed").verdict == "holds"
    (one,) = (run for run in load_runs(tmp_path) if run.config["seed"] == 4)
    (one.path / "summary.json").write_text(json.dumps(one.summary | {"status": "diverged"}))
    claim = find(synthetic_claims(tmp_path), "converges, on every seed")
    assert claim.verdict == "does not hold"
    assert claim.spread is not None
    assert max(claim.spread.points) == math.inf


def test_a_part_of_the_grid_of_learning_rates_is_not_the_grid(tmp_path: Path) -> None:
    source = ROOT / "results" / "learning_rates"
    for summary in source.rglob("seed0/summary.json"):
        if "lr=0.01" in str(summary):
            shutil.copytree(summary.parent, tmp_path / "learning_rates" / summary.parent.relative_to(source))
    rows = [claim for claim in synthetic_claims(tmp_path) if "learning rate" in claim.claim]
    assert len(rows) == 3
    assert {claim.verdict for claim in rows} == {NOT_YET}
    assert all("missing: 44 of 45 runs" in claim.note for claim in rows if claim.spread)


def test_the_grids_wanted_are_those_of_the_recipes() -> None:
    params = {
        name: yaml.safe_load((ROOT / "conf" / "experiment" / f"{name}.yaml").read_text())["hydra"]["sweeper"]["params"]
        for name in ("learning_rates", "influence_balancing", "phase_diagram")
    }
    assert [float(x) for x in params["learning_rates"]["optimizer.lr"].split(",")] == list(LEARNING_RATES)
    assert [int(x) for x in params["learning_rates"]["seed"].split(",")] == list(SEEDS_OF_RATES)
    assert [int(x) for x in params["influence_balancing"]["seed"].split(",")] == list(SEEDS)
    assert len(params["phase_diagram"]["seed"].split(",")) == length_claims.SEEDS["artbp"]
    sizes = re.search(r"for pair in (.*); do", (ROOT / "Makefile").read_text())
    assert sizes is not None
    assert tuple(int(pair.split(",")[0]) for pair in sizes[1].split()) == length_claims.SIZES


def judged(points: list[float]) -> str:
    return sign_verdict(spread(points), level(points))


def test_levels_are_adjusted_as_by_r() -> None:
    # p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.6, 0.7), "holm"), in the order given
    found = holm([0.01, 0.04, 0.03, 0.005, 0.6, 0.7])
    assert found == pytest.approx([0.05, 0.12, 0.12, 0.03, 1.0, 1.0])
    assert holm([0.02]) == [0.02]
    assert holm([]) == []


def test_spread_and_verdict() -> None:
    assert spread([1.0, 2.0]).low is None
    assert spread([2.0, 2.0, 2.0]).low == 2.0
    assert without_chance([2.0, 2.0, 2.0]) == (bare([2.0]), "deterministic: its seeds coincide")
    assert without_chance([2.0, 2.0, 3.0]) == (spread([2.0, 2.0, 3.0]), "")
    assert judged([1.0, 9.0, 80.0]) == "not settled"  # the same sign thrice is no evidence yet
    assert judged([-1.0, -2.0, -1.5, -1.2]) == "does not hold"
    assert judged([-1.0, 1.0, 0.5, -0.2]) == "not settled"
    below = spread([-1.0, -2.0, -1.5, -1.2])
    assert sign_verdict(below, 0.051) == "not settled"  # it goes by the level that it is given
    assert sign_verdict(below, None) == "not settled"
    assert below.low is not None
    assert below.low <= below.median <= (below.high or 0)
