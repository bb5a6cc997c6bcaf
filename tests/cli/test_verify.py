"""`artbp-verify` as a process: exit codes, verdicts, the CSV."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest


def artbp_verify(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "artbp_exp.cli.verify", *overrides],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def test_artbp_is_certified(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "verify.csv=table.csv", "verify.draws=40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: certified" in done.stdout
    assert "shrunk: method.length 16 → 3, sequence 1000000 → 8 steps" in done.stdout
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["holds"].all()
    assert {"exact bias", "variance formula"} < set(table["check"])


def test_truncated_bptt_is_refuted_with_its_bias(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "method=tbptt", "verify.draws=0", "verify.csv=table.csv")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "verdict: refuted" in done.stdout
    assert pd.read_csv(tmp_path / "table.csv")["value"].max() > 0.01


def test_a_character_model_is_certified_on_the_data_of_a_run(tmp_path: Path, own_corpus: Path) -> None:
    done = artbp_verify(
        tmp_path,
        "task=ptb",
        "task.corpus=own",
        f"task.data_dir={own_corpus}",
        "task.batch_size=4",
        "model.hidden_size=6",
        "verify.steps=5",
        "verify.draws=12",
        "verify.stretch=60",
        "method.length=10",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "model.hidden_size 6 → 4" in done.stdout
    assert "12 draws on 60 steps × 4 streams" in done.stdout


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("verify.steps=13", "verify.steps must be at most 12"),
        ("verify.draws=3", "verify.draws must be a whole number ≥ 8"),
        ("verify.drwas=3", "verify.drwas is not a setting of verify; did you mean draws"),
        ("method.lenght=3", "did you mean length"),
        ("verify.stretch=9000000 task.steps=100 verify.steps=200", "verify.steps must be at most 12"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(tmp_path: Path, overrides: str, said: str) -> None:
    done = artbp_verify(tmp_path, *overrides.split())
    assert done.returncode == 2, done.stdout
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
