"""The sweep over all that is shipped: what it covers, prints, writes and returns."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest
import torch

from artbp_exp import registry
from artbp_exp.verification.everything import sweep as sweeping
from artbp_exp.verification.everything.rows import enumerated
from artbp_exp.verification.everything.sweep import far, sweep
from artbp_exp.verification.report import Row
from artbp_exp.verification.variants import LAGS, estimators, far_methods, lags_beside, mutants, schemes
from tests.verification.lines import far_wanted, wanted


def some(steps: int) -> Iterator[Row]:
    """The first three: all of them take too long here."""
    return islice(enumerated(steps), 3)


def test_every_method_and_model_is_in_the_sweep_and_comes_out_as_expected() -> None:
    found = list(enumerated(4))
    assert all(row["verdict"] == row["expected"] for row in found)
    assert {settings["name"] for settings in [*schemes(), *estimators()]} == set(registry.names("method"))
    lines = {(row["method"], row["model"], row["engine"]) for row in found}
    assert lines >= wanted()
    assert {engine for _, model, engine in lines if model == "linear"} >= {"plain", "auto", "fused"}


def test_every_method_and_what_is_broken_far_comes_out_as_expected() -> None:
    found = list(far())
    assert all(row["verdict"] == row["expected"] for row in found)
    assert {(row["method"], row["broken"]) for row in found} == far_wanted()


def test_both_tables_are_written_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweeping, "enumerated", some)
    path = tmp_path / "new" / "all.csv"
    assert sweep(4, path, threads=1)
    assert torch.get_num_threads() == 1
    assert list(pd.read_csv(path)["verdict"]) == ["certified"] * 3
    lags = pd.read_csv(lags_beside(path))
    assert list(lags[lags["broken"].notna()]["verdict"]) == ["refuted"] * len(mutants(LAGS))
    out = capsys.readouterr().out
    sound = 3 + len(far_methods())
    assert f"{sound} certified, {len(mutants(LAGS))} refuted, 0 against expectation" in out
    assert out.endswith(f"{path}\n{lags_beside(path)}\n")


@pytest.mark.parametrize("table", ["enumerated", "far"])
def test_one_verdict_against_expectation_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    def unexpected(steps: int) -> Iterator[Row]:
        return (row | {"expected": "refuted"} for row in some(steps))

    def unexpected_far() -> Iterator[Row]:
        return (row | {"expected": "refuted", "broken": "nothing at all"} for row in islice(far(), 1))

    monkeypatch.setattr(sweeping, "enumerated", unexpected if table == "enumerated" else some)
    if table == "far":
        monkeypatch.setattr(sweeping, "far", unexpected_far)
    assert not sweep(4, tmp_path / "all.csv", threads=1)
    out = capsys.readouterr().out
    assert "WRONG: artbp" in out
    assert "certified, though broken" in out
