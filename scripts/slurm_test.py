"""A sweep through a real Slurm, one of its jobs killed and requeued, against the same sweep run locally.

    python scripts/slurm_test.py          (as root; make test-slurm does it)

Installs Debian's Slurm if it is not there, makes this machine a cluster of one node, runs eight short jobs on it with
`hydra/launcher=slurm`, kills one of them with SIGKILL on its way, requeues it, and compares every `metrics.csv` with
that of a local sweep: equal text but for the columns of time. With `--time-limit` a ninth job needs longer than its
time limit of a minute, and must be requeued for it and go on from its checkpoint (two to five minutes more). Writes
`results/slurm/comparison.csv`; exit code 1 if any differs. Takes under two minutes on two cores.
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
LATE = (16, 0)
"""The job that does not fit into its time limit."""
OUT = Path("results/slurm/comparison.csv")


SLURM = ("hydra/launcher=slurm", "hydra.launcher.mem_gb=1")


def sweep(results: Path, steps: int, lengths: tuple[int, ...], seeds: tuple[int, ...], *more: str) -> list[str]:
    """The command of a sweep. The plain engine is slow enough for a job to be caught at work."""
    return [
        *(sys.executable, "-m", "artbp_exp.cli.run", "-m", "task=synthetic", "method=artbp", "engine=plain"),
        *("device=cpu", "threads=1", f"task.steps={steps}", f"method.length={','.join(map(str, lengths))}"),
        *(f"seed={','.join(map(str, seeds))}", f"results_dir={results}", *more),
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
    """Number in the sweep (−1: a job alone) → (job as Slurm writes it, its raw id, its state)."""
    lines = ask(environment, "squeue", "-h", "--array", "--states=all", "--format=%K %i %A %T").splitlines()
    found = (line.split() for line in lines)
    return {int(k) if k.isdigit() else -1: (name, raw, state) for k, name, raw, state in found}


def kill_and_requeue(environment: dict[str, str], results: Path, driver: subprocess.Popen[bytes]) -> int:
    """SIGKILLs the victim once it has recorded some rows, and has Slurm run it again. Returns the rows it had."""
    while len(seen := rows(results, JOBS[VICTIM])) < 60:
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


def through_slurm(environment: dict[str, str], results: Path, steps: int, log: Path) -> int:
    """Runs the sweep on the cluster, one of its jobs killed. Returns the rows that the killed job had."""
    with log.open("wb") as file:
        command = sweep(results, steps, LENGTHS, SEEDS, *SLURM, "hydra.launcher.timeout_min=30")
        driver = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    had = kill_and_requeue(environment, results, driver)
    if driver.wait(timeout=900) != 0:
        raise SystemExit(f"the sweep through Slurm ended with exit code {driver.returncode}:\n{log.read_text()}")
    return had


def past_its_limit(environment: dict[str, str], results: Path, steps: int) -> None:
    """Runs one job that needs longer than its time limit of a minute; Slurm looks at the clock only now and then."""
    limits = ("timeout_min=1", "signal_delay_s=1", "max_num_timeout=9")
    more = (*SLURM, *(f"hydra.launcher.{limit}" for limit in limits), "checkpoint.minutes=null")
    subprocess.run(sweep(results, steps, *((n,) for n in LATE), *more), env=environment, check=True, timeout=900)


def restarts(environment: dict[str, str]) -> dict[int, int]:
    """Number in the sweep (−1: the job alone) → how often Slurm started its job again."""
    found = {}
    # a job's result is there a moment before Slurm knows that the job has ended
    while any(state in ("RUNNING", "COMPLETING") for _, _, state in tasks(environment).values()):
        time.sleep(0.1)
    for number, (name, _, state) in sorted(tasks(environment).items()):
        words = ask(environment, "scontrol", "show", "job", name).split()
        (found[number],) = {int(word.removeprefix("Restarts=")) for word in words if word.startswith("Restarts=")}
        print(f"job {name}: {state}, {found[number]} restarts", flush=True)
    return found


def compared(slurm: Path, local: Path, job: tuple[int, int], **facts: object) -> dict[str, object]:
    """A row of the table: what is the same, or not, in the two runs of a job."""
    here, there = rows(local, job), rows(slurm, job)
    columns = [column for column in here[0] if column not in TIMES]
    differing = [c for c in columns if [row[c] for row in here] != [row.get(c) for row in there]]
    return {
        **{"length": job[0], "seed": job[1], **facts, "rows": len(there), "columns": " ".join(columns)},
        **{"differing": " ".join(differing), "identical": bool(there) and not differing},
    }


def main() -> None:
    """Runs both sweeps, compares, writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40_000, help="of each run (default: 40000, some 10 s)")
    parser.add_argument("--time-limit", action="store_true", help="also a job that needs longer than its time limit")
    parser.add_argument("--out", type=Path, default=OUT, help=f"the table (default: {OUT})")
    options = parser.parse_args()
    install()
    scratch = Path(tempfile.mkdtemp(prefix="slurm-sweep-"))
    slurm, local, late_slurm, late_local = (scratch / name for name in ("slurm", "local", "late_slurm", "late_local"))
    subprocess.run(sweep(local, options.steps, LENGTHS, SEEDS), check=True, stdout=subprocess.DEVNULL)
    with cluster() as environment:
        had = through_slurm(environment, slurm, options.steps, scratch / "driver.log")
        started = restarts(environment)
        if started[VICTIM] != 1:
            raise SystemExit(f"job {VICTIM} was to be started again once; restarts: {started}")
        if options.time_limit:
            late_steps = int(100 / float(rows(local, LATE)[-1]["seconds"]) * options.steps)  # some 100 s
            past_its_limit(environment, late_slurm, late_steps)
            started = restarts(environment)
            if started[-1] < 1:
                raise SystemExit("the job was to be requeued at its time limit; it was not")
            subprocess.run(sweep(late_local, late_steps, *((n,) for n in LATE)), check=True, stdout=subprocess.DEVNULL)
        packages = ("hydra-submitit-launcher", "submitit", "hydra-core", "torch")
        versions = {name: version(name) for name in packages} | {"python": platform.python_version()}
        versions["slurm"] = ask(environment, "sinfo", "--version").split()[-1]

    table = []
    for number, job in enumerate(JOBS):
        facts = {"killed_at_row": had if number == VICTIM else "", "restarts": started[number], "time_limit_s": 1800}
        table.append(compared(slurm, local, job, **facts) | versions)
    if options.time_limit:
        facts = {"killed_at_row": "", "restarts": started[-1], "time_limit_s": 60}
        table.append(compared(late_slurm, late_local, LATE, **facts) | versions)
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
