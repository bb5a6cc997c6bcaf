"""One tidy table from a tree of run folders."""

import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from artbp_exp.cli import collect as cli
from artbp_exp.run_config import GROUPS
from artbp_exp.runs.load import load_runs
from artbp_exp.runs.table import collect, summarise
from tests.conftest import ROOT
from tests.runs.test_folder import COLUMNS, complete, make


def tree(root: Path) -> Path:
    for seed in range(3):
        complete(root / "long" / f"seed{seed}", seed=seed)
        method = {"name": "artbp", "length": 4}
        complete(root / "short" / f"seed{seed}", "diverged" if seed else "finished", seed=seed, method=method)
    begun = make(root / "begun", seed=9)
    begun.open(COLUMNS, {})
    begun.leave({"status": "interrupted", "reason": "interrupted by SIGTERM at step 1"})
    return root


def test_a_row_a_run_with_settings_as_columns(tmp_path: Path) -> None:
    table, skipped = collect(tree(tmp_path))
    assert skipped == []
    assert list(table.columns[:3]) == ["path", "status", "reason"]
    assert table["status"].value_counts().to_dict() == {"finished": 4, "diverged": 2, "interrupted": 1}
    assert table.pivot_table(index="method.length", values="seed", aggfunc="count")["seed"].to_dict() == {4: 3, 16: 4}
    assert len(load_runs(tmp_path)) == 6  # the figures take those with a result only


def test_the_summary_has_medians_over_seeds_and_the_rate_of_divergence(tmp_path: Path) -> None:
    table, _ = collect(tree(tmp_path))
    table["loss"] = [1.0 + k for k in range(len(table))]
    summary = summarise(table).set_index("method.length")
    assert summary["runs"].to_dict() == {4: 3, 16: 4}
    assert summary["diverged"].to_dict() == {4: "2/3", 16: "0/3"}
    assert summary["no result"].to_dict() == {4: 0, 16: 1}
    assert summary["loss"].to_dict() == {4: "5", 16: "3 (2 to 4)"}


def test_one_computation_counts_once_whatever_it_is_called(tmp_path: Path) -> None:
    tree(tmp_path)
    complete(tmp_path / "again" / "seed0", seed=0)
    table, _ = collect(tmp_path)
    assert len(table) == 8
    assert summarise(table).set_index("method.length")["runs"].to_dict() == {4: 3, 16: 4}


@pytest.mark.parametrize(
    ("changed", "runs"),
    [
        *(({group: {"name": "other"}}, [1, 1]) for group in GROUPS if group != "logger"),
        ({"engine": "fused"}, [1, 1]),
        ({"precision": "float64"}, [1, 1]),
        ({"seed": 1}, [2]),
        *(({key: value}, [1]) for key, value in (("device", "auto"), ("threads", 2), ("logger", {"name": "other"}))),
    ],
)
def test_runs_that_differ_in_one_setting_are_two_runs_unless_it_only_says_how_they_are_done(
    changed: dict[str, Any], runs: list[int], tmp_path: Path
) -> None:
    complete(tmp_path / "one")
    complete(tmp_path / "other", **changed)
    assert summarise(collect(tmp_path)[0])["runs"].tolist() == runs


def test_the_committed_results_collect(tmp_path: Path) -> None:
    table, skipped = collect(ROOT / "results" / "influence_balancing")
    assert skipped == []
    assert len(table) == 40
    assert summarise(table)["diverged"].tolist() == ["0/10", "10/10", "0/10", "0/10"]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_the_command(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"table.{kind}"
    monkeypatch.setattr(sys, "argv", ["artbp-collect", str(tree(tmp_path)), "--out", str(out)])
    cli.main()
    shown = capsys.readouterr().out
    assert "7 runs (4 finished, 2 diverged, 1 interrupted)" in shown
    assert len(pd.read_csv(out) if kind == "csv" else pd.read_parquet(out)) == 7


def test_a_run_of_an_older_version_counts_with_those_that_record_more(tmp_path: Path) -> None:
    complete(tmp_path / "old" / "seed0", seed=0)
    for seed in (0, 1):
        method = {"name": "artbp", "length": 16, "every": 1}
        complete(tmp_path / "new" / f"seed{seed}", seed=seed, method=method, boundary={"name": "none"})
    summary = summarise(collect(tmp_path)[0])
    assert list(summary.columns[:3]) == ["method.name", "task.name", "runs"]
    assert summary["runs"].tolist() == [2]


@pytest.mark.parametrize(("folder", "said"), [("nowhere", "nowhere is not a folder"), (".", "no run folders below .")])
def test_nothing_there_is_a_mistake(
    folder: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["artbp-collect", folder])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_link_in_the_place_of_the_table_is_replaced_not_followed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, outside = tmp_path / f"table.{kind}", tmp_path / "outside"
    outside.write_text("precious")
    out.symlink_to(outside)
    monkeypatch.setattr(sys, "argv", ["artbp-collect", str(tree(tmp_path)), "--out", str(out)])
    cli.main()
    assert outside.read_text() == "precious"
    assert not out.is_symlink()
