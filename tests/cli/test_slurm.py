"""The preset for Slurm: submitit takes it; what is said where there is no Slurm; the committed comparison."""

import csv
import importlib
import os
import subprocess
import sys
from pathlib import Path

import hydra
import pytest
from omegaconf import OmegaConf

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import explained
from tests.conftest import ROOT

NO_PLUGIN = "import sys; sys.modules['hydra_plugins.hydra_submitit_launcher'] = None\n"
RUN = "import sys; sys.argv[0] = 'artbp-run'\nfrom artbp_exp.cli.run import main\nmain()"


def artbp_run(folder: Path, code: str, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, "-m", "hydra/launcher=slurm", "task.steps=100", "seed=0,1"],
        cwd=folder,
        env={**os.environ, "PATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_submitit_takes_every_setting_of_the_preset(hydra_ready: None) -> None:
    pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    slurm = importlib.import_module("submitit.slurm.slurm")
    composed = hydra.compose(conf.NAME, overrides=["hydra/launcher=slurm"], return_hydra_config=True)
    preset = OmegaConf.to_container(composed.hydra.launcher, resolve=False)
    assert isinstance(preset, dict)
    # a job that reaches its limit goes on by itself, and is told in time
    assert preset["max_num_timeout"] > 0
    assert 0 < preset["signal_delay_s"] < 60 * preset["timeout_min"]
    elsewhere = {"_target_", "submitit_folder", "max_num_timeout", "timeout_min", "mem_gb", "tasks_per_node", "name"}
    assert preset.keys() - elsewhere <= slurm.SlurmExecutor._valid_parameters() | {"nodes"}
    composed.hydra.launcher.cpus_per_task = 3
    assert composed.hydra.launcher.setup == ["export OMP_NUM_THREADS=3"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (NO_PLUGIN + RUN, "hydra/launcher=slurm needs the package hydra-submitit-launcher: pip install '.[slurm]'"),
        (RUN, "hydra/launcher=slurm finds no Slurm here"),
    ],
    ids=["no plugin", "no Slurm"],
)
def test_what_is_missing_is_told_in_one_line(tmp_path: Path, code: str, said: str) -> None:
    if code == RUN:
        pytest.importorskip("hydra_plugins.hydra_submitit_launcher")
    done = artbp_run(tmp_path, code, path=str(tmp_path))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr


def test_a_job_that_ended_without_a_result_is_told_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    utils = pytest.importorskip("submitit.core.utils")
    with pytest.raises(SystemExit) as left, explained():
        raise utils.UncompletedJobError("Job 7\nhas not produced any output")
    assert left.value.code == 1
    assert "Job 7 has not produced any output" in (said := capsys.readouterr().err)
    assert "the same command again does what is missing" in said
    with pytest.raises(RuntimeError, match="a bug"), explained():
        raise RuntimeError("a bug")


def test_the_committed_comparison_has_a_job_killed_and_all_alike() -> None:
    with (ROOT / "results/slurm/comparison.csv").open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len(table) >= 8
    assert all(row["identical"] == "True" and not row["differing"] for row in table)
    assert all({"loss", "theta", "grad", "segments"} <= set(row["columns"].split()) for row in table)
    killed = [row for row in table if row["killed_at_row"]]
    assert [(row["restarts"], int(row["killed_at_row"]) > 0) for row in killed] == [("1", True)]
