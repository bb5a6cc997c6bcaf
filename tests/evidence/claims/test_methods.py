"""The bench of methods: what counts as learned, at equal steps and at equal time; no verdict without runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from artbp_exp.evidence.claims.claim import NOT_YET
from artbp_exp.evidence.methods.claims import SEEDS, recall_claims
from artbp_exp.evidence.methods.recall import FOLDER, SECONDS, STEPS, Row, rows
from artbp_exp.evidence.methods.recall_figure import recall_figure
from artbp_exp.evidence.methods.related import related_claims
from artbp_exp.runs.load import load_runs
from tests.evidence.conftest import find


def recall_run(
    results: Path, method: dict[str, Any], *, lag: int, at: int, cost: float, memory: float, seed: int = 0
) -> None:
    """Learns at step `at`, at `cost` seconds a step."""
    folder = results / FOLDER / f"{method['name']}{lag}" / f"seed{seed}"
    folder.mkdir(parents=True)
    config = {"task": {"name": "recall", "lag": lag}, "method": method, "model": {"name": "rnn"}, "seed": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {"status": "finished", "method": method["name"], "chance": 0.69, "stored_numbers": memory}
    (folder / "summary.json").write_text(json.dumps(summary))
    table = [f"{step},{0.01 if step >= at else 0.69},{step * cost}" for step in range(1000, 2 * STEPS + 1, 1000)]
    (folder / "metrics.csv").write_text("step,valid_loss,seconds\n" + "\n".join(table) + "\n")


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """UORO is slow and learns early, truncated BPTT of 43 is fast and learns late."""
    quick = SECONDS / (2 * STEPS)
    for lag in (4, 10):
        recall_run(tmp_path, {"name": "uoro"}, lag=lag, at=4000, cost=8 * quick, memory=336)
        recall_run(tmp_path, {"name": "tbptt", "length": 43}, lag=lag, at=STEPS + 1000, cost=quick, memory=336)
    return tmp_path


def by_label(results: Path) -> dict[str, Row]:
    return {row.label: row for row in rows(load_runs(results / FOLDER))}


def test_learned_at_equal_steps_and_at_equal_time(bench: Path) -> None:
    found = by_label(bench)
    uoro, truncated = found["UORO"], found["truncated BPTT, L = 43"]
    assert (uoro.by_steps, uoro.by_time) == ({4: [True], 10: [True]}, {4: [False], 10: [False]})
    assert (truncated.by_steps, truncated.by_time) == ({4: [False], 10: [False]}, {4: [True], 10: [True]})
    assert uoro.rank == truncated.rank


def test_rows_are_judged_from_what_is_there(bench: Path) -> None:
    claims = recall_claims(bench)
    assert find(claims, "recall_memory_UORO").verdict == "not settled"  # one seed
    assert find(claims, "recall_memory_KF-RTRL").verdict == NOT_YET
    assert recall_figure(load_runs(bench / FOLDER)).axes


def test_arms_are_not_compared_before_both_have_every_lag(bench: Path) -> None:
    recall_run(bench, {"name": "snap1"}, lag=4, at=4000, cost=1e-4, memory=320)
    claims = recall_claims(bench)
    assert find(claims, "recall_memory_SnAp-1").verdict == NOT_YET
    assert find(claims, "snap_and_uoro").verdict == NOT_YET


def test_a_lag_beyond_the_wall_that_nobody_ran_is_no_verdict(tmp_path: Path) -> None:
    for method in ({"name": "tbptt", "length": 5}, {"name": "artbp", "length": 2.5, "alpha": 6, "schedule": "paper"}):
        for seed in range(SEEDS):
            recall_run(tmp_path, method, lag=4, at=1000, cost=1e-4, memory=32, seed=seed)
    assert find(recall_claims(tmp_path), "recall_beyond_ARTBP, L0 = 2.5, α = 6").verdict == NOT_YET


def test_a_run_that_diverged_is_not_compared(tmp_path: Path) -> None:
    for name, bpc in (("tprop", None), ("tbptt", 2.5)):
        (folder := tmp_path / "methods_ptb" / name).mkdir(parents=True)
        config = {"task": {"name": "ptb"}, "method": {"name": name}, "model": {"name": "lstm"}, "seed": 0}
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        status = "finished" if bpc else "diverged"
        (folder / "summary.json").write_text(json.dumps({"status": status, "method": name, "valid_bpc": bpc}))
    assert find(list(related_claims(tmp_path)), "tprop_ptb").verdict == NOT_YET


@pytest.mark.parametrize(("learn", "verdict"), [(5, "holds"), (4, "not settled"), (0, "does not hold")])
def test_a_lead_of_seeds_is_judged_by_fishers_exact_test(tmp_path: Path, learn: int, verdict: str) -> None:
    quick = SECONDS / (2 * STEPS)
    for seed in range(SEEDS):
        for lag in (4, 6, 10):  # adjusted for three: 4 of 5 against none would do for one lag alone
            at = 4000 if lag == 6 and seed < learn else 9 * STEPS
            recall_run(tmp_path, {"name": "uoro"}, lag=lag, at=at, cost=quick, memory=336, seed=seed)
            late = {"name": "tbptt", "length": 43}
            recall_run(tmp_path, late, lag=lag, at=9 * STEPS, cost=quick, memory=336, seed=seed)
    assert find(recall_claims(tmp_path), "recall_memory_UORO").verdict == verdict


def copy_run(results: Path, method: dict[str, Any], seed: int, loss: float) -> None:
    folder = results / "methods_copy" / method["name"] / f"seed{seed}"
    folder.mkdir(parents=True)
    config = {"task": {"name": "copy"}, "method": method, "model": {"name": "lstm"}, "seed": seed}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    summary = {"status": "finished", "method": method["name"], "chance": 2.0, "stored_numbers": 100}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / "metrics.csv").write_text(f"step,valid_loss\n10,1.9\n20,{loss}\n")


@pytest.mark.parametrize(("worst", "verdict"), [(0.1, "holds"), (0.3, "does not hold")])
def test_artbp_on_copy_memory_is_judged_by_its_worst_seed(tmp_path: Path, worst: float, verdict: str) -> None:
    for seed, loss in enumerate((0.02, worst)):
        copy_run(tmp_path, {"name": "artbp", "length": 5, "alpha": 6, "schedule": "paper"}, seed, loss)
        copy_run(tmp_path, {"name": "tbptt", "length": 5}, seed, 1.0)
    assert find(list(related_claims(tmp_path)), "artbp_copy_length").verdict == verdict


def test_nothing_measured_is_said(tmp_path: Path) -> None:
    claims = [*recall_claims(tmp_path), *related_claims(tmp_path)]
    assert {claim.verdict for claim in claims} == {NOT_YET}
