"""Claims in the authors' setting: the last epoch that both have, the noise of the logs, two views that must agree."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import stats

from artbp_exp.evidence.authors_setting.claims import paper_claims
from artbp_exp.evidence.authors_setting.rows import ROWS
from artbp_exp.evidence.authors_setting.runs import ARMS, FLOAT32, RECIPE, SETTINGS, Setting, paper_table
from artbp_exp.evidence.claims.claim import Claim
from tests.conftest import ROOT
from tests.evidence.conftest import find

METHODS: dict[str, dict[str, Any]] = {
    "tbptt": {"name": "tbptt"},
    "phase": {"name": "tbptt", "phase": "random"},
    "random": {"name": "artbp", "reweight": False},
    "artbp": {"name": "artbp"},
}
LOGS = pd.read_csv(ROOT / "results" / "authors" / "ptb_logs.csv").query("batch_size == 64 and forget_bias == 2")


def begin(results: Path, arm: str, valid: dict[int, float], *, seed: int = 0, folder: str = RECIPE) -> Path:
    """A run with these levels at the end of epochs; its training loss is 0.01 below."""
    run = results / folder / arm / f"seed{seed}"
    run.mkdir(parents=True)
    config: dict[str, Any] = {"method": {"length": 50, "schedule": "paper", "alpha": 4} | METHODS[arm], "seed": seed}
    config |= {"task": {"carry_state": False}, "model": {}, "optimizer": {}}
    for key, value in SETTINGS.items():
        group, name = key.split(".")
        config[group][name] = value
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    (run / "summary.json").write_text(
        json.dumps({"status": "finished" if 20 in valid or folder == FLOAT32 else "interrupted"})
    )
    rows = [f"{e},{bpc},\n{e},{bpc - 0.01},{bpc}" for e, bpc in valid.items()]
    (run / "metrics.csv").write_text("\n".join(["epoch,train_bpc,valid_bpc", *rows, f"{max(valid) + 1},1.3,"]))
    return run


def levels(method: str, *, above: float = 0.0, last: int = 16) -> dict[int, float]:
    """The means of the authors' logs, and more."""
    means = LOGS[LOGS["method"] == method].groupby("epoch")["valid_bpc"].mean()
    return {int(epoch): bpc + above for epoch, bpc in means.items() if epoch <= last}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Truncated BPTT and ARTBP as in the logs, random cuts as ARTBP, a random phase as truncated BPTT."""
    shutil.copytree(ROOT / "results" / "authors", tmp_path / "authors")
    begin(tmp_path, "tbptt", levels("tbptt", last=18))
    begin(tmp_path, "phase", levels("tbptt", last=17))
    begin(tmp_path, "random", levels("artbp", above=0.002, last=16))
    begin(tmp_path, "artbp", levels("artbp", last=16))
    return tmp_path


def claim(results: Path, key: str) -> Claim:
    return find(paper_claims(results), key)


def test_arms_are_compared_at_the_last_epoch_that_both_have_on_a_seed(results: Path) -> None:
    begin(results, "artbp", levels("artbp", last=20), seed=1)
    assert Setting.of(results).epoch(["artbp", "random"]) == 16  # of seed 0
    begin(results, "random", levels("artbp", last=17), seed=1)
    found = claim(results, "paper_reweighting")
    assert "epoch 17 of 20, the last that both have; 1 of 4 runs finished" in found.quantity
    assert "random cuts, not reweighted seed 0 is at 1.4558 after epoch 16" in found.note
    assert found.found is not None
    assert found.found.points == pytest.approx((0.0,))  # of seed 1, which alone has come so far


def test_an_arm_that_ends_early_does_not_hold_back_the_others(results: Path) -> None:
    shutil.rmtree(results / RECIPE)
    for arm in ("tbptt", "artbp"):
        begin(results, arm, levels(arm, last=20))
    begin(results, "random", levels("artbp", last=16))
    claims = paper_claims(results)
    at = {key: find(claims, key).quantity.split("; ")[0] for key in ("paper_artbp", "paper_lead", "paper_reweighting")}
    end = "validation bits per character (bpc) at the end of epoch"
    assert at == {
        "paper_artbp": f"{end} 20 of 20",
        "paper_lead": f"{end} 20 of 20",
        "paper_reweighting": f"{end} 16 of 20, the last that both have",
    }
    found = find(claims, "paper_lead").found
    assert found is not None
    late = LOGS[LOGS["epoch"] == 20].groupby("method")["valid_bpc"]
    assert found.center == pytest.approx(late.mean()["tbptt"] - late.mean()["artbp"])
    half = np.sqrt(late.var().mean()) * np.sqrt(2) * stats.t.ppf(0.975, 8)
    assert found.high == pytest.approx(found.center + half)


def test_finished_runs_are_compared_at_the_last_epoch_without_a_remark(results: Path) -> None:
    shutil.rmtree(results / RECIPE)
    for arm in ARMS:
        begin(results, arm, levels("artbp", last=20))
    assert f"at the end of epoch 20 of 20; of {ARMS['random']} minus" in claim(results, "paper_reweighting").quantity


def test_the_noise_of_a_difference_of_single_runs_is_that_of_the_logs(results: Path) -> None:
    found = claim(results, "paper_reweighting").found
    assert found is not None
    assert (found.points, found.center) == (pytest.approx((0.002,)), pytest.approx(0.002))
    late = LOGS[LOGS["epoch"] == 16].groupby("method")["valid_bpc"]
    half = np.sqrt(late.var().mean()) * np.sqrt(2) * stats.t.ppf(0.975, 8)
    assert (found.low, found.high) == pytest.approx((0.002 - half, 0.002 + half))


@pytest.mark.parametrize(
    ("key", "verdict"),
    [
        ("paper_tbptt", "holds"),
        ("paper_artbp", "holds"),
        ("paper_lead", "holds"),
        ("paper_reweighting", "holds"),
        ("paper_phase", "does not hold"),
        ("paper_phase_lead", "not settled"),
    ],
)
def test_level_and_ahead(results: Path, key: str, verdict: str) -> None:
    assert claim(results, key).verdict == verdict


def test_a_verdict_that_the_last_quarter_does_not_share_is_not_settled(results: Path) -> None:
    shutil.rmtree(results / RECIPE / "random")
    begin(results, "random", levels("artbp", above=0.08, last=15) | {16: levels("artbp")[16]})
    assert claim(results, "paper_reweighting").verdict == "not settled"


def test_nothing_is_said_of_an_arm_that_diverged(results: Path) -> None:
    (results / RECIPE / "artbp" / "seed0" / "summary.json").write_text('{"status": "diverged"}')
    assert claim(results, "paper_lead").verdict == "not settled"
    assert claim(results, "paper_tbptt").verdict == "holds"


def test_a_missing_arm_leaves_its_rows_unmeasured(results: Path) -> None:
    shutil.rmtree(results / RECIPE / "phase")
    found = claim(results, "paper_phase")
    assert (found.verdict, found.note) == ("not yet measured", "missing: truncated BPTT, random phase")
    assert claim(results, "paper_lead").verdict == "holds"
    begin(results, "phase", levels("tbptt"), seed=3)
    assert claim(results, "paper_phase").note == "missing: an epoch that both have on one seed"


def test_without_the_logs_single_runs_settle_nothing(results: Path) -> None:
    shutil.rmtree(results / "authors")
    found = claim(results, "paper_lead")
    assert (found.verdict, found.counted) == ("not settled", "1 run")
    assert claim(results, "paper_tbptt").verdict == "not yet measured"


@pytest.mark.parametrize(("off", "verdict"), [(0.004, "holds"), (0.006, "does not hold")])
def test_bfloat16_agrees_with_float32_within_the_tolerance(tmp_path: Path, off: float, verdict: str) -> None:
    shutil.copytree(ROOT / "results" / "authors", tmp_path / "authors")
    assert claim(tmp_path, "paper_precision").verdict == "not yet measured"
    first = LOGS[LOGS["epoch"] == 1].groupby("method")[["train_bpc", "valid_bpc"]].mean().loc["tbptt"]
    for folder, above in ((RECIPE, 0.0), (FLOAT32, off)):
        run = begin(tmp_path, "tbptt", {1: 1.9}, folder=folder)
        table = f"epoch,train_bpc,valid_bpc\n1,{first['train_bpc']},{first['valid_bpc'] + above}\n"
        (run / "metrics.csv").write_text(table)
    found = claim(tmp_path, "paper_precision")
    assert found.verdict == verdict
    assert found.found is not None
    assert found.found.points == pytest.approx((0, -off, 0, 0))


def test_the_table_has_a_row_for_each_arm_and_the_last_epoch_of_all_and_of_any(results: Path) -> None:
    head, _, *rows = paper_table(results).splitlines()
    columns = ["training bpc | validation bpc | the authors' logs"] * 2
    assert head == f"| a number a run | epoch 16 of 20: {columns[0]} | epoch 18 of 20: {columns[1]} |"
    assert rows == [
        "| truncated BPTT | 1.469 | 1.479 | 1.479 ± 0.003 | 1.465 | 1.475 | 1.475 ± 0.003 |",
        "| truncated BPTT, random phase | 1.469 | 1.479 | – | – | – | – |",
        "| random cuts, not reweighted | 1.446 | 1.456 | – | – | – | – |",
        "| ARTBP | 1.444 | 1.454 | 1.454 ± 0.003 | – | – | 1.447 ± 0.007 |",
    ]


def test_the_committed_runs_show_a_lead_until_artbp_is_set_back_in_its_last_epoch() -> None:
    claims = paper_claims(ROOT / "results")
    unsettled = {found.key for found in claims if found.verdict != "holds"}
    assert unsettled == {"paper_artbp", "paper_lead", "paper_reweighting", "paper_phase"}  # ARTBP's last
    assert [found.key for found in claims if found.paper] == ["paper_lead"]


def test_what_the_recipe_said_stands_in_the_recipe() -> None:
    text = (ROOT / "conf" / "experiment" / f"{RECIPE}.yaml").read_text(encoding="utf-8")
    assert all(row.said in text for row in ROWS)
