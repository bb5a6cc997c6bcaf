"""`artbp-diagnose` as a process: CSVs, figures, a run's checkpoint, one line for a mistake."""

import shlex
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.cli.diagnose import named_apart, quoted
from tests.forked import artbp

QUICK = (
    "diagnose.steps=60",
    "diagnose.lags=20",
    "diagnose.warm_up=10",
    "diagnose.losses=4",
    "diagnose.draws=12",
    "diagnose.starts=4",
    "diagnose.lengths=[5]",
    "diagnose.truncated_lengths=[5]",
    "diagnose.length=5",
    "diagnose.alphas=[4]",
    "diagnose.memory=8",
)


def tool(folder: Path, name: str, *overrides: str) -> subprocess.CompletedProcess[str]:
    return artbp(name, *overrides, folder=folder)


def test_synthetic_at_any_theta(tmp_path: Path) -> None:
    done = tool(tmp_path, "diagnose", *QUICK, "model.theta=0.1", "diagnose.out=out")
    assert done.returncode == 0, done.stderr
    # θ acts over more than 60 steps
    assert done.stderr.startswith("warning: diagnose.steps=60 is too short")
    assert len(done.stderr.splitlines()) == 1
    assert "exponent at equal memory (8 stored steps)" in done.stdout
    assert "nan" not in done.stdout
    written = (tmp_path / "out" / "advice.txt").read_text(encoding="utf-8")
    assert done.stdout.endswith(f"{written}out\n")
    assert written.splitlines()[1].startswith("this run: ARTBP L0 = 16 α = 6:")
    table = pd.read_csv(tmp_path / "out" / "methods.csv")
    assert {"bias2", "variance", "predicted", "snr", "cosine", "stored_peak", "kappa"} < set(table.columns)
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert {
        "influence.csv",
        "checkpoint.csv",
        "bias_and_variance.png",
        "variance_and_cost.png",
        "influence.png",
    } < files


def test_a_trained_run(tmp_path: Path, own_corpus: Path) -> None:
    data = ("task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}")
    small = ("task.batch_size=4", "model.hidden_size=5", "task.epochs=1", "run_dir=length\\=10")
    assert tool(tmp_path, "run", *data, *small, "method.length=10").returncode == 0
    done = tool(tmp_path, "diagnose", *data, *QUICK, "diagnose.run=length=10", "diagnose.out=out", "diagnose.streams=3")
    assert done.returncode == 0, done.stderr
    # without the task: that of the run
    again = ("diagnose.run=length=10", "diagnose.streams=3", "diagnose.out=again")
    assert tool(tmp_path, "diagnose", *QUICK, *again).returncode == 0
    table = pd.read_csv(tmp_path / "out" / "methods.csv")
    assert (tmp_path / "again" / "methods.csv").read_bytes() == (tmp_path / "out" / "methods.csv").read_bytes()
    moved = tool(tmp_path, "diagnose", *QUICK, *again, "task.data_dir=moved")
    assert moved.returncode == 2
    assert "moved" in moved.stderr
    command = pd.read_csv(tmp_path / "out" / "checkpoint.csv")["command"].iloc[0]
    assert " diagnose.run=length=10 " in command
    assert table.loc[table["predicted"].notna(), "kappa"].between(-0.5, 1.0001).all()


def test_m_keeps_every_configuration(tmp_path: Path) -> None:
    done = tool(tmp_path, "diagnose", "-m", *QUICK, "model.theta=0.1,0.2", "diagnose.out=out")
    assert done.returncode == 0, done.stderr
    commands = [pd.read_csv(tmp_path / "out" / name / "checkpoint.csv")["command"].iloc[0] for name in "01"]
    for theta, command in zip(("0.1", "0.2"), commands, strict=True):
        assert f" model.theta={theta} " in command
        assert command.startswith("artbp-diagnose diagnose.steps=60 ")
    # the command is that of the one configuration
    alone = tool(tmp_path, *shlex.split(commands[1].replace("out/1", "alone").removeprefix("artbp-")))
    assert alone.returncode == 0, alone.stderr
    table = (tmp_path / "out" / "1" / "methods.csv").read_bytes()
    assert table == (tmp_path / "alone" / "methods.csv").read_bytes()
    assert table != (tmp_path / "out" / "0" / "methods.csv").read_bytes()


@pytest.mark.parametrize(
    ("given", "apart"),
    [([], False), (["diagnose.out=a"], False), (["diagnose.out=a,b"], True), (["diagnose.out=a/${seed}"], True)],
)
def test_m_numbers_folders_that_are_not_named_apart(given: list[str], apart: bool) -> None:
    assert named_apart(["-m", "seed=0,1", *given]) is apart


def test_m_takes_several_runs() -> None:
    assert quoted(["-m", "diagnose.run=L=10,L=20"]) == ["-m", "diagnose.run='L=10','L=20'"]
    assert quoted(["diagnose.run=L=10,L=20"]) == ["diagnose.run='L=10,L=20'"]


def test_a_folder_without_a_model_is_one_line(tmp_path: Path) -> None:
    done = tool(tmp_path, "diagnose", "diagnose.run=nowhere")
    assert done.returncode == 2
    assert done.stderr.startswith("error: diagnose.run=nowhere holds no config.yaml")
    assert (
        "name the folder of one run that has finished" in done.stderr
    )  # of any task: synthetic runs have a model.pt too
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("null", "error: diagnose.out must be a name or a path"),
        ("file/below", "error: cannot write to file/below: Not a directory; name another folder with diagnose.out=…"),
    ],
)
def test_a_folder_that_cannot_be_written_is_one_line_before_anything_is_computed(
    tmp_path: Path, out: str, said: str
) -> None:
    (tmp_path / "file").touch()
    done = tool(tmp_path, "diagnose", f"diagnose.out={out}")
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize("name", ["diagnose", "verify"])
@pytest.mark.parametrize("override", ["{}=1", "{}=null", "{}=[1]"])
def test_settings_replaced_by_a_value_are_one_line(tmp_path: Path, name: str, override: str) -> None:
    done = tool(tmp_path, name, override.format(name))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert name in done.stderr
    assert len(done.stderr.splitlines()) == 1
