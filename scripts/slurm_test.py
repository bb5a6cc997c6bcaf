"""A sweep through a real Slurm, one of its jobs killed and requeued, against the same sweep run locally.

    python scripts/slurm_test.py          (as root; make test-slurm does it)

Installs Debian's Slurm if it is not there, makes this machine a cluster of one node, runs eight short jobs on it with
`hydra/launcher=slurm`, kills one of them with SIGKILL half-way, requeues it, and compares every `metrics.csv` with
that of a local sweep: equal text but for the columns of time. Writes `results/slurm/comparison.csv`; exit code 1 if
any differs. Takes about two minutes on two cores.
"""

import argparse
import csv
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from one_node_slurm import ask, cluster, install

TIMES = {"seconds", "symbols_per_second"}
LENGTHS, SEEDS = (8, 16), (0, 1, 2, 3)
JOBS = [(length, seed) for length in LENGTHS for seed in SEEDS]
"""In the order in which the sweep numbers its jobs."""
VICTIM = 5
OUT = Path("results/slurm/comparison.csv")


def sweep(results: Path, steps: int, *more: str) -> list[str]:
    """The command of the sweep. The plain engine is slow enough for a job to be caught at work."""
    return [
        *(sys.executable, "-m", "artbp_exp.cli.run", "-m", "task=synthetic", "method=artbp", "engine=plain"),
        *("device=cpu", "threads=1", f"task.steps={steps}", f"method.length={','.join(map(str, LENGTHS))}"),
        *(f"seed={','.join(map(str, SEEDS))}", f"results_dir={results}", *more),
    ]


def folder(results: Path, job: tuple[int, int]) -> Path | None:
    """The run folder of a job, None before it is there."""
    return next(results.glob(f"synthetic/artbp-length={job[0]}-*/seed{job[1]}"), None)


def rows(results: Path, job: tuple[int, int]) -> list[dict[str, str]]:
    """`metrics.csv` of a job, as text."""
    path = folder(results, job)
    if path is None or not (path / "metrics.csv").is_file():
        return []
    with (path / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def tasks(environment: dict[str, str]) -> dict[int, tuple[str, str, str]]:
    """Number in the sweep → (job as Slurm writes it, its raw id, its state)."""
    lines = ask(environment, "squeue", "-h", "--array", "--states=all", "--format=%K %i %A %T").splitlines()
    return {int(k): (name, raw, state) for k, name, raw, state in (line.split() for line in lines) if k.isdigit()}


def kill_and_requeue(environment: dict[str, str], results: Path, driver: subprocess.Popen[bytes]) -> int:
    """SIGKILLs the victim once it has recorded some rows, and has Slurm run it again. Returns the rows it had."""
    while len(seen := rows(results, JOBS[VICTIM])) < 20:
        if driver.poll() is not None:
            raise SystemExit(f"the sweep ended (exit code {driver.returncode}) before there was a job to kill")
        time.sleep(0.05)
    name, raw, _ = tasks(environment)[VICTIM]
    listed = ask(environment, "scontrol", "listpids", raw).splitlines()[1:]
    for pid in (int(line.split()[0]) for line in listed):
        command = Path(f"/proc/{pid}/cmdline")
        if pid > 0 and command.is_file() and b"\0submitit.core._submit\0" in command.read_bytes():
            os.kill(pid, signal.SIGKILL)
    while tasks(environment)[VICTIM][2] in ("RUNNING", "COMPLETING"):
        time.sleep(0.05)
    state = tasks(environment)[VICTIM][2]
    print(f"killed job {name} after {len(seen)} rows: Slurm says {state}; requeued", flush=True)
    subprocess.run(["scontrol", "requeue", name], env=environment, check=True)
    return len(seen)


def through_slurm(results: Path, steps: int, log: Path) -> tuple[dict[int, int], int, str]:
    """Runs the sweep on the cluster. Returns each job's restarts, the killed job's rows, and Slurm's version."""
    command = sweep(results, steps, "hydra/launcher=slurm", "hydra.launcher.mem_gb=1", "hydra.launcher.timeout_min=30")
    with cluster() as environment:
        with log.open("wb") as file:
            driver = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
        had = kill_and_requeue(environment, results, driver)
        if driver.wait(timeout=900) != 0:
            raise SystemExit(f"the sweep through Slurm ended with exit code {driver.returncode}:\n{log.read_text()}")
        restarts = {}
        for number, (name, _, state) in tasks(environment).items():
            words = ask(environment, "scontrol", "show", "job", name).split()
            (again,) = {int(word.removeprefix("Restarts=")) for word in words if word.startswith("Restarts=")}
            restarts[number] = again
            print(f"job {name}: {state}, {again} restarts")
        return restarts, had, ask(environment, "sinfo", "--version").removeprefix("slurm ")


def main() -> None:
    """Runs both sweeps, compares, writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40_000, help="of each run (default: 40000, some 10 s)")
    parser.add_argument("--out", type=Path, default=OUT, help=f"the table (default: {OUT})")
    options = parser.parse_args()
    install()
    scratch = Path(tempfile.mkdtemp(prefix="slurm-sweep-"))
    restarts, had, slurm = through_slurm(scratch / "slurm", options.steps, scratch / "driver.log")
    if restarts.get(VICTIM) != 1:
        raise SystemExit(f"job {VICTIM} was to be started again once; restarts: {restarts}")
    subprocess.run(sweep(scratch / "local", options.steps), check=True, stdout=subprocess.DEVNULL)

    packages = ("hydra-submitit-launcher", "submitit", "hydra-core", "torch")
    versions = {"slurm": slurm, **{name: version(name) for name in packages}, "python": platform.python_version()}
    table = []
    for number, job in enumerate(JOBS):
        here, there = rows(scratch / "local", job), rows(scratch / "slurm", job)
        columns = [column for column in here[0] if column not in TIMES]
        differing = [c for c in columns if [row[c] for row in here] != [row.get(c) for row in there]]
        table.append(
            {
                **{"length": job[0], "seed": job[1], "killed_at_row": had if number == VICTIM else ""},
                **{"restarts": restarts[number], "rows": len(there), "columns": " ".join(columns)},
                **{"differing": " ".join(differing), "identical": not differing, **versions},
            }
        )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    with options.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(table[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
    alike = sum(bool(row["identical"]) for row in table)
    print(f"{alike} of {len(table)} runs identical but for {', '.join(sorted(TIMES))}: {options.out}")
    if alike < len(table):
        sys.exit(f"differing runs are kept in {scratch}")
    shutil.rmtree(scratch)


if __name__ == "__main__":
    main()
