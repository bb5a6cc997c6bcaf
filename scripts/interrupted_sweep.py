"""Is a sweep that was killed again and again the same as one left alone? Runs both, and compares the collected tables.

    python scripts/interrupted_sweep.py --runs 60 --kills 3 --out results/sweep_interrupted

Writes `comparison.csv` (a row a run: its status and final numbers in both sweeps, and whether all columns but the
times agree) and `kills.csv` (when each kill came, and how many runs had their result by then).
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd

from artbp_exp.runs.table import TIMES, collect


def command(results: Path, *, seeds: int, steps: int, launcher: str) -> list[str]:
    """A sweep of 2 methods × 2 lengths × `seeds`: truncated BPTT with L = 10 diverges."""
    settings = [f"task.steps={steps}", f"results_dir={results}", "checkpoint.minutes=0.002", "method=artbp,tbptt"]
    swept = ["method.length=10,200", f"seed={','.join(map(str, range(seeds)))}", f"hydra/launcher={launcher}"]
    return [sys.executable, "-m", "artbp_exp.cli.run", "-m", "task=synthetic", *settings, *swept]


def finished(results: Path) -> int:
    """Runs that have their result by now."""
    return len(list(results.rglob("summary.json")))


def killed_sweep(line: list[str], results: Path, *, runs: int, kills: int, seed: int) -> list[dict[str, object]]:
    """Runs the sweep, kills it `kills` times while it is at work, and lets it end."""
    rng = random.Random(seed)
    told = []
    for number in range(kills):
        # when a random share of what is left is done, and a moment after a later run's checkpoint: inside that run
        done = finished(results)
        goal = done + rng.randint(1, max(1, (runs - done) // (kills - number + 1)))
        process = subprocess.Popen(line, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while finished(results) < goal and process.poll() is None:
            time.sleep(0.01)
        until = time.monotonic() + 5
        while not list(results.rglob("checkpoint.pt")) and process.poll() is None and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.1))
        whom = "the sweep and its jobs" if number % 2 == 0 else "the sweep alone"
        with suppress(ProcessLookupError):  # on a fast machine the sweep may have ended by now; its exit code tells
            (os.killpg if number % 2 == 0 else os.kill)(process.pid, signal.SIGKILL)
        code = process.wait()
        told.append({"kill": number + 1, "of": whom, "exit_code": code, "runs_with_result": finished(results)})
    subprocess.run(line, check=False, stdout=subprocess.DEVNULL)
    return told


def main() -> int:
    """Returns 0 if the tables agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=60, help="a multiple of 4")
    parser.add_argument("--steps", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--launcher", default="basic")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tables = []
        kills: list[dict[str, object]] = []
        for name in ("alone", "killed"):
            results = Path(folder, name)
            line = command(results, seeds=options.runs // 4, steps=options.steps, launcher=options.launcher)
            if name == "alone":
                subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
            else:
                kills = killed_sweep(line, results, runs=options.runs, kills=options.kills, seed=options.seed)
            tables.append(collect(results)[0])
    alone, killed = tables
    # neither when and in how many pieces, nor whether somebody committed to the repository meanwhile
    compared = [c for c in alone.columns if c not in (*TIMES, "command", "git_commit", "git_dirty")]
    same = list(alone["path"]) == list(killed["path"]) and len(alone) == options.runs
    agree = [
        same and a.equals(k)
        for (_, a), (_, k) in zip(alone[compared].iterrows(), killed[compared].iterrows(), strict=False)
    ]
    shown = ["path", "status", "loss", "theta"]
    both = alone[shown].merge(killed[[*shown, "starts"]], on="path", suffixes=("_alone", "_killed"), how="outer")
    options.out.mkdir(parents=True, exist_ok=True)
    both.assign(same=agree if same else False).to_csv(options.out / "comparison.csv", index=False)
    pd.DataFrame(kills).to_csv(options.out / "kills.csv", index=False)
    broken = int((both["starts"] > 1).sum())
    print(
        f"{sum(agree)} of {options.runs} runs agree; {len(kills)} kills, {broken} runs were killed inside and resumed"
    )
    return 0 if same and all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
