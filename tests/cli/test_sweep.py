"""Sweeps: whatever becomes of a job, the others get their results and the folders say what happened."""

import importlib.util
import json
import math
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml

from artbp_exp.cli.sweep import dry_run
from artbp_exp.cli.sweep.jobs import Planned, table
from artbp_exp.cli.sweep.progress import line, look
from artbp_exp.run_config import RunConfig
from artbp_exp.runs import lock
from tests.cli.test_run import QUICK, artbp_run
from tests.cli.test_signals import rows, start, wait_for
from tests.conftest import ROOT
from tests.forked import forked

needs_joblib = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_joblib_launcher") is None, reason="needs pip install .[sweep]"
)


def status(run: Path) -> str:
    return str(json.loads((run / "summary.json").read_text())["status"])


def statuses(root: Path) -> dict[str, str]:
    found = {path.parent.name: status(path.parent) for path in root.rglob("summary.json")}
    return dict(sorted(found.items()))


def holder(folder: Path) -> int:
    """The process that has the folder."""
    return int(re.findall(r"process (\d+)", (folder / lock.NAME).read_text())[0])


def test_a_sweep_skips_continues_and_tries_again(tmp_path: Path) -> None:
    sweep = ["-m", *QUICK, "seed=0,1,2"]
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


@pytest.mark.parametrize(
    ("launcher", "whom"),
    [
        ("basic", "job"),
        pytest.param("joblib", "job", marks=needs_joblib),
        pytest.param("joblib", "worker", marks=needs_joblib),
    ],
)
def test_a_killed_process_takes_no_other_run_with_it(launcher: str, whom: str, tmp_path: Path) -> None:
    runs = [tmp_path / "r" / "synthetic" / f"artbp-length=16-task.steps={n}" / "seed0" for n in (2000000, 3000, 4000)]
    sweep = ["-m", "task.steps=2000000,3000,4000", "results_dir=r", "checkpoint.minutes=0.001"]
    sweep += [f"hydra/launcher={launcher}"]
    process = start(tmp_path, *sweep)
    wait_for(lambda: rows(runs[0]) > 5 and (runs[0] / "checkpoint.pt").exists())
    pid = holder(runs[0])
    if whom == "worker":
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(pid, signal.SIGKILL)
    out, errors = process.communicate(timeout=600)
    assert "Traceback" not in errors
    if whom == "worker":
        # its job checkpoints by itself, and is continued
        assert "a worker process was killed" in errors
        assert (process.returncode, [status(run) for run in runs]) == (0, ["finished"] * 3), errors
        return
    assert (process.returncode, [status(run) for run in runs]) == (1, ["failed", "finished", "finished"]), errors
    assert "3 jobs: 2 finished, 1 failed" in out
    assert "killed by SIGKILL: out of memory, perhaps, or by hand" in out
    before = (runs[1] / "summary.json").read_bytes()
    done = artbp_run(tmp_path, *sweep)
    assert (done.returncode, [status(run) for run in runs]) == (0, ["finished"] * 3), done.stderr
    assert json.loads((runs[0] / "summary.json").read_text())["starts"] == 2
    assert (runs[1] / "summary.json").read_bytes() == before


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


@pytest.mark.parametrize(
    ("choice", "module"), [("launcher=joblib", "joblib_launcher"), ("sweeper=optuna", "optuna_sweeper")]
)
def test_a_plug_in_that_is_not_installed(choice: str, module: str, tmp_path: Path) -> None:
    hidden = (
        f"import sys; sys.modules['hydra_plugins.hydra_{module}'] = None; from artbp_exp.cli.run import main; main()"
    )
    done = forked(hidden, "-m", f"hydra/{choice}", folder=tmp_path)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert f"error: hydra/{choice} is not installed; pip install" in done.stderr


RECIPE = """# @package _global_
results_dir: {results}
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      method.length: 0,8
"""


def test_a_recipe_that_is_a_sweep_needs_no_m(tmp_path: Path) -> None:
    (tmp_path / "conf" / "experiment").mkdir(parents=True)
    (tmp_path / "conf" / "experiment" / "lengths.yaml").write_text(RECIPE.format(results=tmp_path / "r"))
    told = []
    for flag in ((), ("-m",)):
        done = artbp_run(tmp_path, "--config-dir", str(tmp_path / "conf"), *flag, "experiment=lengths", *QUICK)
        assert done.returncode == 1, done.stderr
        assert "error: method.length must be a number ≥ 1; got 0" in done.stderr
        told.append(done.stdout[done.stdout.index("2 jobs: 1 failed, 1 finished") :])
    assert told[0] == told[1]
    assert len(list((tmp_path / "r").rglob("summary.json"))) == 2


def test_a_sweep_from_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "results").write_text("")  # where the results would go
    elsewhere = artbp_run(tmp_path / "here", "-m", *QUICK, "method.length=8", "run_dir=../run")
    assert elsewhere.returncode == 0, elsewhere.stderr
    assert (tmp_path / "run" / "summary.json").is_file()
    done = artbp_run(tmp_path / "here", "-m", *QUICK)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: cannot write to results/runs/synthetic/")


SWEEPER = '''
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.sweeper import Sweeper


class Bisection(Sweeper):
    """Looks for the best learning rate, three batches of two."""

    def setup(self, *, hydra_context, task_function, config):
        made = Plugins.instance().instantiate_launcher
        self.launcher = made(hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments):
        low, high = 1e-6, 1e-2
        for batch in range(3):
            jobs = [[*arguments, f"optimizer.lr={rate:.3e}"] for rate in (low, high)]
            scores = [done.return_value for done in self.launcher.launch(jobs, 2 * batch)]
            print("scores", *scores, flush=True)
            middle = (low * high) ** 0.5
            low, high = (low, middle) if scores[0] < scores[1] else (middle, high)


ConfigStore.instance().store(
    group="hydra/sweeper", name="bisection", node={"_target_": "hydra_plugins.bisection.Bisection"}, provider="tests"
)
'''


def bisect(folder: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    plugins = folder / "plugins" / "hydra_plugins"
    plugins.mkdir(parents=True, exist_ok=True)
    (plugins / "bisection.py").write_text(SWEEPER)
    paths = [str(plugins.parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
    return subprocess.run(
        [sys.executable, "-m", "artbp_exp.cli.run", "-m", "hydra/sweeper=bisection", *QUICK, *overrides],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def test_a_sweeper_that_learns_from_results_gets_them(tmp_path: Path) -> None:
    done = bisect(tmp_path, "task.divergence=1e3", "method.length=50")
    assert "Traceback" not in done.stderr, done.stderr
    scores = [list(map(float, line.split()[1:])) for line in done.stdout.splitlines() if line.startswith("scores")]
    summaries = [json.loads(path.read_text()) for path in (tmp_path / "results").rglob("summary.json")]
    losses = {summary["loss"] for summary in summaries if summary["status"] == "finished"}
    assert len(scores) == 3
    assert {score for pair in scores for score in pair if math.isfinite(score)} == losses
    assert done.stdout.splitlines()[-1].startswith(("6 jobs: ", "  "))
    assert done.returncode == int(any(summary["status"] == "failed" for summary in summaries))
    theta = bisect(tmp_path, "optimized_metric=theta", "task.divergence=1e3", "method.length=50")
    first = next(line for line in theta.stdout.splitlines() if line.startswith("scores"))
    assert float(first.split()[1]) in {summary["theta"] for summary in summaries}
    wrong = bisect(tmp_path, "optimized_metric=losss", "task.divergence=1e3", "method.length=50")
    assert wrong.returncode == 2
    assert wrong.stderr.splitlines()[-1].startswith("error: optimized_metric=losss is not in results")
    assert "did you mean loss" in wrong.stderr


def test_a_dry_run_of_it_is_refused_before_it_asks_for_a_job(tmp_path: Path) -> None:
    done = bisect(tmp_path, "--dry-run")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "--dry-run cannot foresee the jobs" in done.stderr
    assert "scores" not in done.stdout


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
    states = look(jobs, ["waiting"] * 4)
    assert line(jobs, states) == (3, f"1 running, 2 failed, {tmp_path.name}/c at step 20")
    shown = table(jobs, [job.state() for job in jobs]).splitlines()
    assert shown[0] == "4 jobs: 2 failed, 1 finished, 1 running"
    assert [row.split()[0] for row in shown[1:]] == ["failed", "running", "failed"]
    assert shown[1].endswith("b: why")
    assert shown[3].endswith("x=1: x is not a setting")
    holding.release()
    for name in ("a", "b"):
        (tmp_path / name / "summary.json").unlink()
    # only what cannot change any more is not read again
    assert look(jobs, states) == ["finished", "killed", "killed", "failed"]
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


def test_a_dry_run_measures_another_number_of_threads_apart_and_another_seed_not(
    configure: Callable[..., RunConfig], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    measured: list[int | None] = []

    def measure(config: RunConfig) -> dict[str, float]:
        measured.append(config.threads)
        return {"rate": 1.0, "steps": 1.0, "memory": 1.0}

    monkeypatch.setattr(dry_run, "measure", measure)
    jobs = [
        Planned(overrides=(), config=configure(f"results_dir={tmp_path}", f"threads={threads}", f"seed={seed}"))
        for threads in (1, 4)
        for seed in (0, 1)
    ]
    dry_run.dry_run(jobs, workers=1)
    assert measured == [1, 4]
