"""`artbp-verify` as a process: exit codes, verdicts, the CSV."""

import subprocess
from pathlib import Path

import pandas as pd
import pytest

from tests.forked import artbp


def artbp_verify(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    return artbp("verify", *overrides, folder=folder)


def test_artbp_is_certified(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "verify.csv=table.csv", "verify.draws=40")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verdict: certified" in done.stdout
    assert "shrunk: method.length 16 → 3, method.memory 300 → 3, sequence 1000000 → 8 steps" in done.stdout
    table = pd.read_csv(tmp_path / "table.csv")
    deterministic = ~table["check"].str.startswith("Monte Carlo")
    assert table[deterministic]["holds"].all()
    assert {"lengths at full size", "factors at full size", "prescribed cuts, 3 + 344 + 3 steps"} < set(table["check"])
    assert {"exact bias", "variance formula", "lengths drawn"} < set(table["check"])
    sampled = table[table["check"].str.startswith("Monte Carlo")]
    assert (sampled["half_width"] == (sampled["high"] - sampled["low"]) / 2).all()
    assert f"no bias below {100 * sampled['half_width'].max():.2g} % of a parameter's gradient" in done.stdout
    assert "in float64 whatever the precision of the run (precision=auto)" in done.stdout
    assert set(table["computed_in"]) == {"float64"}
    assert set(table["verdict"]) == {"certified"}


def test_full_bptt_is_certified_without_a_warning_meant_for_training(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "method=bptt", "verify.draws=8", "verify.csv=table.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[1].startswith("to come: ")
    assert "8 draws at full size" in lines[1]
    assert any("along the estimated bias" in line for line in lines)


def test_truncated_bptt_is_refuted_with_its_bias(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "method=tbptt", "verify.draws=20", "verify.seconds=1e-9", "verify.csv=table.csv")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "s; not 20: verify.seconds=1e-09)" in done.stdout
    assert "verdict: refuted" in done.stdout
    assert "no bias below" not in done.stdout
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
        ("optimizer.clip=0.001", "verdict: not certified: optimizer.clip=0.001 shortens"),
        ("method=tbptt method.length=50 verify.method_length=null", "verdict: not tested: no cut can fall within"),
        ("method.length=50 method.every=10 verify.method_length=null", "verdict: not tested: no cut can fall within"),
    ],
)
def test_what_is_not_tested_or_not_what_runs_is_not_certified(tmp_path: Path, overrides: str, said: str) -> None:
    done = artbp_verify(tmp_path, "verify.draws=0", "verify.csv=table.csv", *overrides.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert said in done.stdout
    assert said.split(": ")[1] in set(pd.read_csv(tmp_path / "table.csv")["verdict"])


def test_cuts_that_are_blocks_apart_are_certified_at_the_defaults(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "method.every=10", "verify.draws=0", "verify.csv=table.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "exact, 8 ways to cut 8 steps" in done.stdout
    assert "method.length 16 → 3.2, method.every 10 → 2" in done.stdout


def test_a_state_that_is_reset_is_refuted_by_name_and_mixed_precision_is_sampled(
    tmp_path: Path, own_corpus: Path
) -> None:
    small = ["task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "task.batch_size=4", "model.hidden_size=4"]
    done = artbp_verify(tmp_path, *small, "task.carry_state=false", "verify.draws=0", "verify.csv=table.csv")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "verdict: refuted: the state is reset at cuts" in done.stdout
    assert "claim: biased; confirmed: the mean gradient of" in done.stdout
    assert "by the formula" not in done.stdout
    assert "variance formula" not in set(pd.read_csv(tmp_path / "table.csv")["check"])
    done = artbp_verify(
        tmp_path, *small, "precision=bfloat16", "verify.draws=8", "verify.stretch=40", "verify.csv=mixed.csv"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert set(pd.read_csv(tmp_path / "mixed.csv")["computed_in"]) == {"float64", "float32, products in bfloat16"}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ("verify.steps=13", "verify.steps must be at most 12"),
        ("verify.everything=true verify.steps=13", "verify.steps must be at most 12"),
        ("verify.everything=true verify.steps=3", "verify.steps must be a whole number ≥ 4; got 3"),
        ("verify.seconds=0", "verify.seconds must be a number > 0; got 0"),
        ("verify.method_length=2.5 method=tbptt", "verify.method_length, the (mean) length while enumerating"),
        ("verify.draws=3", "verify.draws must be 0 (none) or a whole number ≥ 8; got 3"),
        ("verify.stretch=0", "verify.stretch must be a whole number ≥ 2; got 0"),
        ("verify.csv=/dev/null/table.csv", "cannot write to /dev/null/table.csv"),
        ("verify.everything=true verify.csv=/dev", "cannot write to /dev: it is a folder"),
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
    assert "exact" not in done.stdout, "said before anything is computed"


def test_the_configurations_of_a_sweep_share_the_table(tmp_path: Path) -> None:
    done = artbp_verify(tmp_path, "-m", "method=bptt,tbptt", "verify.draws=0", "verify.csv=table.csv")
    assert done.returncode == 1, done.stdout + done.stderr
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table["method"].unique()) == ["bptt", "tbptt"]
    assert set(table[table["method"] == "bptt"]["verdict"]) == {"certified"}
    assert set(table[table["method"] == "tbptt"]["verdict"]) == {"refuted"}
    again = artbp_verify(tmp_path, "method=bptt", "verify.draws=0", "verify.csv=table.csv")
    assert again.returncode == 0
    assert set(pd.read_csv(tmp_path / "table.csv")["method"]) == {"bptt"}, "another command begins anew"
