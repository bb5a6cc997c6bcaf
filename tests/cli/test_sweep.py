"""Sweeps: whatever becomes of a job, the others get their results and the folders say what happened."""

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from artbp_exp.cli.plan import Planned
from artbp_exp.cli.progress import line
from artbp_exp.cli.sweep import installed, sweep, table
from artbp_exp.errors import UserError
from artbp_exp.runs import lock
from artbp_exp.runs.config import RunConfig
from tests.cli.test_run import QUICK, artbp_run
from tests.cli.test_signals import rows, start, wait_for
from tests.conftest import ROOT

needs_joblib = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None, reason="needs pip install .[sweep]"
)
LAUNCHERS = pytest.mark.parametrize("launcher", ["basic", pytest.param("joblib", marks=needs_joblib)])


def statuses(root: Path) -> dict[str, str]:
    found = {path.parent.name: json.loads(path.read_text())["status"] for path in root.rglob("summary.json")}
    return dict(sorted(found.items()))


def holder(folder: Path) -> int:
    """The process that has the folder."""
    return int(re.findall(r"process (\d+)", (folder / lock.NAME).read_text())[0])


@LAUNCHERS
def test_a_sweep_skips_continues_and_tries_again(launcher: str, tmp_path: Path) -> None:
    sweep = ["-m", *QUICK, "seed=0,1,2", f"hydra/launcher={launcher}"]
    first = artbp_run(tmp_path, *sweep)
    assert (first.returncode, statuses(tmp_path)) == (0, {f"seed{k}": "finished" for k in range(3)}), first.stderr
    (runs,) = {path.parent.parent for path in tmp_path.rglob("summary.json")}
    before = (runs / "seed0" / "summary.json").read_bytes()
    (runs / "seed1" / "summary.json").write_text('{"status": "failed", "reason": "no luck"}')
    (runs / "seed2" / "summary.json").unlink()
    again = artbp_run(tmp_path, *sweep)
    assert (again.returncode, statuses(tmp_path)) == (0, {f"seed{k}": "finished" for k in range(3)}), again.stderr
    assert again.stdout.splitlines()[-1] == "3 jobs: 3 finished"
    assert (runs / "seed0" / "summary.json").read_bytes() == before


@LAUNCHERS
@pytest.mark.parametrize("whom", ["job", "worker"])
def test_a_killed_process_takes_no_other_run_with_it(launcher: str, whom: str, tmp_path: Path) -> None:
    if launcher == "basic" and whom == "worker":
        pytest.skip("the sweep itself")
    steps = ["task.steps=3000000", "results_dir=r", "checkpoint.minutes=0.001"]
    process = start(tmp_path, "-m", "task=synthetic", *steps, "seed=0,1,2", f"hydra/launcher={launcher}")
    run = tmp_path / "r" / "synthetic" / "artbp-length=16-task.steps=3000000" / "seed0"
    wait_for(lambda: rows(run) > 5 and (run / "checkpoint.pt").exists())
    pid = holder(run)
    if whom == "worker":
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)
    out, errors = process.communicate(timeout=600)
    assert "Traceback" not in errors
    if whom == "worker":
        # its job checkpoints by itself, and is continued
        assert "a worker process was killed" in errors
        assert (process.returncode, statuses(tmp_path)) == (0, {f"seed{k}": "finished" for k in range(3)}), errors
        return
    assert statuses(tmp_path) == {"seed0": "failed", "seed1": "finished", "seed2": "finished"}
    assert process.returncode == 1
    assert "3 jobs: 2 finished, 1 failed" in out
    assert "killed by SIGKILL: out of memory, perhaps, or by hand" in out
    done = artbp_run(tmp_path, "-m", "task=synthetic", *steps, "seed=0,1,2")
    assert (done.returncode, statuses(tmp_path)) == (0, {f"seed{k}": "finished" for k in range(3)}), done.stderr
    assert json.loads((run / "summary.json").read_text())["starts"] == 2


def test_a_signal_stops_the_sweep_and_says_what_is_left(tmp_path: Path) -> None:
    steps = ["task.steps=100000000", "results_dir=r"]
    process = start(tmp_path, "-m", "task=synthetic", *steps, "seed=0,1")
    run = tmp_path / "r" / "synthetic" / "artbp-length=16-task.steps=100000000" / "seed0"
    wait_for(lambda: rows(run) > 5)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "Traceback" not in errors
    assert "2 jobs: 1 interrupted, 1 waiting" in out
    assert statuses(tmp_path) == {"seed0": "interrupted"}


def test_a_sweep_asked_for_by_hydras_own_setting_is_one(tmp_path: Path) -> None:
    done = artbp_run(tmp_path, "hydra.mode=MULTIRUN", *QUICK, "method.length=0,8")
    assert done.returncode == 1
    assert "2 jobs: 1 failed, 1 finished" in done.stdout


def test_a_dry_run_says_what_it_takes_and_writes_nothing(tmp_path: Path) -> None:
    done = artbp_run(tmp_path, "--dry-run", "-m", *QUICK, "method=artbp,tbptt", "method.length=8,0", "seed=0,1")
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == []
    assert len(re.findall(r"^results/\S+: waiting$", done.stdout, re.MULTILINE)) == 8
    assert len(re.findall(r"^ +\d+ MiB, \S+ steps/s: about \d+ \w+$", done.stdout, re.MULTILINE)) == 4
    assert len(re.findall(r"^ +not measured: method.length must be", done.stdout, re.MULTILINE)) == 4
    assert done.stdout.splitlines()[-1].startswith("8 jobs, 1 at a time: at most ")


def test_joblib_where_it_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    # as where no plugin of Hydra is installed at all, whatever an earlier test has imported
    monkeypatch.delitem(sys.modules, "hydra_plugins.hydra_joblib_launcher", raising=False)
    monkeypatch.setitem(sys.modules, "hydra_plugins", None)
    with pytest.raises(UserError, match=r"hydra/launcher=joblib is not installed; pip install"):
        sweep(lambda arguments: None, ["-m", *QUICK, "hydra/launcher=joblib"])


def test_a_module_is_there_or_not_or_not_even_its_package() -> None:
    assert installed("json.decoder")
    assert not installed("json.nowhere")
    assert not installed("nowhere_at_all.decoder")


def test_the_table_and_the_live_line_come_from_the_folders(tmp_path: Path) -> None:
    jobs = []
    parts = {part: {"name": "x"} for part in ("task", "method", "model", "optimizer")}
    for name, summary in {"a": '{"status": "finished"}', "b": '{"status": "failed", "reason": "why"}', "c": ""}.items():
        config = RunConfig.of({**parts, "seed": 0, "run_dir": str(tmp_path / name)})
        jobs.append(Planned(overrides=(), config=config))
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(config.plain()))
        (tmp_path / name / "summary.json").write_text(summary)
    jobs.append(Planned(overrides=("x=1",), config=None, error="x is not a setting"))
    (tmp_path / "c" / "metrics.csv").write_text("loss,step\n1,10\n1,20\n1,3")
    holding = lock.FolderLock(tmp_path / "c")
    holding.acquire()
    assert line(jobs) == (3, f"1 running, 2 failed, {tmp_path.name}/c at step 20")
    shown = table(jobs, [job.state() for job in jobs]).splitlines()
    assert shown[0] == "4 jobs: 2 failed, 1 finished, 1 running"
    assert [row.split()[0] for row in shown[1:]] == ["failed", "running", "failed"]
    assert shown[1].endswith("b: why")
    assert shown[3].endswith("x=1: x is not a setting")
    holding.release()
    assert jobs[2].state() == ("killed", "its process ended before it could say why")


def test_a_sweep_killed_and_rerun_gives_the_same_table(tmp_path: Path) -> None:
    how = ["--runs", "8", "--steps", "600000", "--kills", "2", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "scripts/interrupted_sweep.py", *how],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert pd.read_csv(tmp_path / "comparison.csv")["same"].all()
    assert (pd.read_csv(tmp_path / "kills.csv")["exit_code"] == -9).any()
