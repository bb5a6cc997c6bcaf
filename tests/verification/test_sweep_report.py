"""The sweep over all that is shipped: what it prints, writes and returns."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.verification import everything as shipped
from artbp_exp.verification import sweep_report
from artbp_exp.verification.sweep_report import lags_beside, sweep


def some(steps: int) -> Iterator[shipped.Verdict]:
    """The first three: all of them take too long here."""
    return islice(shipped.everything(steps), 3)


def test_both_tables_are_written_and_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sweep_report, "everything", some)
    path = tmp_path / "new" / "all.csv"
    assert sweep(4, path)
    assert list(pd.read_csv(path)["verdict"]) == ["certified"] * 3
    lags = pd.read_csv(lags_beside(path))
    assert list(lags[lags["broken"].notna()]["verdict"]) == ["refuted"] * len(shipped.BROKEN_FAR)
    out = capsys.readouterr().out
    sound = 3 + len(shipped.far_methods())
    assert f"{sound} certified, {len(shipped.BROKEN_FAR)} refuted, 0 against expectation" in out
    assert out.endswith(f"{path}\n{lags_beside(path)}\n")


@pytest.mark.parametrize("table", ["everything", "far"])
def test_one_verdict_against_expectation_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], table: str
) -> None:
    def unexpected(steps: int) -> Iterator[shipped.Verdict]:
        return (replace(verdict, expected=False) for verdict in some(steps))

    def unexpected_far() -> Iterator[shipped.FarVerdict]:
        return (replace(verdict, broken="nothing at all") for verdict in islice(shipped.far(), 1))

    monkeypatch.setattr(sweep_report, "everything", unexpected if table == "everything" else some)
    if table == "far":
        monkeypatch.setattr(sweep_report, "far", unexpected_far)
    assert not sweep(4, tmp_path / "all.csv")
    out = capsys.readouterr().out
    assert "WRONG: artbp" in out
    assert "certified, though broken" in out
