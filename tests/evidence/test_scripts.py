"""The scripts beside the evidence: they run on what is committed, and say the same."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.evidence.figures.test_evidence import script


def test_where_the_longest_segments_fell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    script("long_segments").main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("seed 0: the last segments over 500 steps of epoch 10: 611 steps, ended at 72.7%, 682")
    assert "  truncated BPTT, carried: validation bpc 1.700 → 1.687 (-0.013)" in lines
    assert len(lines) == 3 * (1 + 6)


def test_the_demo_says_which_method_reached_the_optimum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in (ROOT / "results" / "influence_balancing").rglob("seed[01]"):
        shutil.copytree(run, tmp_path / "results" / "runs" / "demo" / run.parent.name / run.name)
    monkeypatch.chdir(tmp_path)
    script("demo_figure").main()
    said = capsys.readouterr().out.splitlines()
    assert [line.rpartition(": ")[2] for line in said[:3]] == [
        "2 of 2 reached θ*",
        "0 of 2 reached θ*",
        "0 of 2 reached θ*",
    ]
    assert (tmp_path / "results" / "runs" / "demo" / "influence_balancing.png").is_file()


def test_a_target_that_runs_nothing_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["run_evidence.py", "make everything"])
    with pytest.raises(SystemExit, match="name one of 'make evidence', 'make methods', 'make phase'"):
        script("run_evidence").main()
