"""`artbp-run --dry-run`: which jobs, how long and with how much memory, from a few measured steps; writes nothing."""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from artbp_exp.cli.sweep.isolate import preload
from artbp_exp.cli.sweep.jobs import Planned
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import identity

MEASURED = 1.0
"""Seconds of training from which a job is estimated."""

WARM = 0.5
"""Seconds of training before that: kernels are compiled, buffers allocated, caches filled."""

PATIENCE = 30.0
"""Seconds after which a job is given up: a segment takes too long, or loading its data."""


def dry_run(jobs: Sequence[Planned], *, workers: int) -> None:
    """Prints a line for each job, and the sum. Jobs that differ in the seed alone are measured once."""
    measured: dict[str, dict[str, Any]] = {}
    seconds, memory, unknown = 0.0, 0.0, 0
    workers = min(workers, max(1, len(jobs)))
    for job in jobs:
        status, reason = job.state()
        print(f"{job.folder or ' '.join(job.overrides)}: {status}" + (f" ({reason})" if reason else ""))
        if job.config is None or status in ("finished", "diverged"):
            continue
        where = {"device": job.config.device, "threads": job.config.threads}
        kind = json.dumps({k: v for k, v in identity(job.config).items() if k != "seed"} | where, default=str)
        if kind not in measured:
            measured[kind] = measure(job.config)
        found = measured[kind]
        if "error" in found:
            unknown += 1
            print(f"    not measured: {found['error']}")
            continue
        lasts = found["steps"] / found["rate"]
        print(f"    {found['memory'] / 2**20:.0f} MiB, {found['rate']:.3g} steps/s: about {duration(lasts)}")
        seconds += lasts
        memory = max(memory, found["memory"])
    print(
        f"{len(jobs)} jobs, {workers} at a time: at most {workers * memory / 2**20:.0f} MiB, "
        f"about {duration(seconds / workers)} of training (evaluation not counted)"
        + (f", {unknown} jobs not measured" if unknown else "")
    )


def measure(config: RunConfig) -> dict[str, Any]:
    """`rate` (steps/s), `steps` (of the whole run) and `memory` (peak, bytes) of a run, or an `error`.

    It is measured in its own process, so that the memory is its own and it can be given up.
    """
    if not hasattr(os, "fork"):
        return {"error": "this operating system cannot fork"}
    preload()
    sys.stdout.flush()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.close(reader)
            try:
                found = _train_a_little(config)
            except Exception as error:
                found = {"error": " ".join(str(error).split())}
            os.write(writer, json.dumps(found).encode())
        finally:
            os._exit(0)
    os.close(writer)
    try:
        ready, _, _ = select.select([reader], [], [], PATIENCE)
        content = os.read(reader, 65536) if ready else b""
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
    reason = "its process died, perhaps for lack of memory" if ready else f"it takes more than {PATIENCE:.0f} s"
    found = json.loads(content) if content else {"error": reason}
    assert isinstance(found, dict)
    return found


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, whichever reads best."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _train_a_little(config: RunConfig) -> dict[str, Any]:
    from artbp_exp.runs.provenance import peak_memory
    from artbp_exp.training.experiment import Experiment

    experiment = Experiment(config)
    task, progress = experiment.task, experiment.trainer.progress
    warm: tuple[float, int] | None = None
    first: float | None = None

    def enough() -> bool:
        nonlocal first, warm
        now = time.perf_counter()
        if first is None:
            first = now  # the first segment is not counted: whatever is compiled is compiled in it
        elif warm is None and now - first >= WARM:
            warm = now, progress.step
        return warm is not None and now - warm[0] >= MEASURED

    began = time.perf_counter()
    for _ in experiment.trainer.run(pause=enough):
        if enough():
            break
    # a run that is over before it is warm is timed as a whole
    since, step = warm if warm is not None and progress.step > warm[1] else (began, 0)
    return {
        "rate": (progress.step - step) / max(time.perf_counter() - since, 1e-9),
        "steps": task.steps * task.passes,
        "memory": peak_memory(experiment.device),
    }
