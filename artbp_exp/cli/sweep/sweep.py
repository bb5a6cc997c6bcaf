"""A sweep: it goes on whatever becomes of single runs, and reads from their folders how they ended."""

import atexit
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from hydra.plugins.launcher import Launcher
from omegaconf import DictConfig, flag_override

from artbp_exp.cli.config import NAME
from artbp_exp.cli.errors import explained, path
from artbp_exp.cli.signals import Interrupted
from artbp_exp.cli.sweep.dry_run import dry_run
from artbp_exp.cli.sweep.jobs import Planned, planned, table
from artbp_exp.cli.sweep.progress import shown
from artbp_exp.errors import UserError
from artbp_exp.files import try_writing, writing
from artbp_exp.runs.overwrite_guard import beginning, now
from artbp_exp.runs.status import FINAL

SETTLED = (*FINAL, "failed")
ENUMERATES = "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
"""The only sweeper whose jobs do not depend on how earlier ones ended."""


class Sweep(Callback):
    """What `artbp-run -m` does around Hydra's sweeper and launcher; Hydra makes one for each sweep.

    Whatever sweeper and launcher are chosen, every batch of jobs comes through `launch`. With `dry_run` it says what
    the jobs would take, and runs none.

    Attributes:
        launcher: configuration of the launcher that was chosen.
    """

    def __init__(self, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self.launcher: Any = None
        self._jobs: list[Planned] = []
        self._began = now()
        self._workers = 1

    def __getstate__(self) -> dict[str, Any]:
        """What goes along to the process of a job."""
        return {"dry_run": self.dry_run}

    def on_multirun_start(self, config: DictConfig, config_name: str = NAME, **more: Any) -> None:
        """Puts `SweepLauncher` around the launcher. What another tool sweeps over is no run: it is left alone."""
        if config_name != NAME:
            return
        with explained(), flag_override(config, ["struct", "readonly"], False):
            hydra = config.hydra
            if self.dry_run and hydra.sweeper._target_ != ENUMERATES:
                raise UserError("--dry-run cannot foresee the jobs of this hydra/sweeper; they depend on results")
            self._workers = _workers(hydra.launcher)
            _find_folder(hydra, needed="submitit" in hydra.launcher._target_ and not self.dry_run)
            self.launcher = hydra.launcher
            hydra.launcher = {"_target_": "hydra_plugins.artbp_sweep.SweepLauncher"}

    def on_multirun_end(self, config: DictConfig, config_name: str = NAME, **more: Any) -> None:
        """Prints how the runs ended, or in a dry run what they would take.

        It exits with code 1 if a run has no result.
        """
        if config_name != NAME:
            return
        if self.dry_run:
            dry_run(self._jobs, workers=self._workers)
        else:
            self._finish(0)

    def launch(
        self, launcher: Launcher, batch: Sequence[tuple[Sequence[str], DictConfig]], first: int
    ) -> list[JobReturn]:
        """Runs those jobs of a batch that have no result yet, and returns the score of each, see `Planned.score`.

        `batch` has (overrides, composed configuration) of each job; `first` is the number of its first in the sweep. A
        signal that stops the sweep exits with 128 + its number.
        """
        jobs = [planned(overrides, config) for overrides, config in batch]
        self._jobs += jobs
        if self.dry_run:
            return [_returned(job, None) for job in jobs]
        for job in jobs:
            if job.error:
                print(f"error: {job.error}", file=sys.stderr)
        try:
            with beginning(self._began), shown(self._jobs):
                _run(launcher, [job for job in jobs if job.state()[0] not in FINAL and not job.error], first)
                _let_leave(jobs)
                return [_returned(job, job.score()) for job in jobs]
        except Interrupted as stop:
            print(f"sweep {stop}; the same command goes on with it", file=sys.stderr)
            self._finish(stop.code)
            raise

    def _finish(self, code: int) -> None:
        _let_leave(self._jobs)
        with beginning(self._began):
            states = [job.state() for job in self._jobs]
        print(table(self._jobs, states))
        if code := code or int(any(status not in FINAL for status, _ in states)):
            sys.exit(code)


def _run(launcher: Launcher, jobs: list[Planned], first: int) -> None:
    """Launches until no worker is killed, or that makes no progress."""
    left = len(jobs) + 1
    while jobs:
        try:
            for done in launcher.launch([list(job.overrides) for job in jobs], first):
                if done.status == JobStatus.FAILED and isinstance(done._return_value, Exception):
                    traceback.print_exception(done._return_value)  # a bug; its folder says so, too
            return
        except BrokenExecutor:
            # joblib gives up all jobs when the system kills one worker; the others are launched again
            _let_leave(jobs)
            jobs = [job for job in jobs if job.state()[0] not in SETTLED]
            print(f"a worker process was killed; {len(jobs)} jobs are left and go on", file=sys.stderr)
            if len(jobs) >= left:
                return
            left = len(jobs)


def _returned(job: Planned, score: float | None) -> JobReturn:
    return JobReturn(overrides=job.overrides, status=JobStatus.COMPLETED, _return_value=score)


def _let_leave(jobs: Sequence[Planned], *, patience: float = 15.0) -> None:
    """Waits for runs whose worker is gone to finish their segment and write a checkpoint."""
    until = time.monotonic() + patience
    while (jobs := [job for job in jobs if job.state()[0] == "running"]) and time.monotonic() < until:
        time.sleep(0.1)


def _workers(launcher: DictConfig) -> int:
    """Jobs that run at the same time."""
    count = launcher.get("n_jobs", 1) or 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(count) if count > 0 else cores + 1 + int(count))


def _find_folder(hydra: DictConfig, *, needed: bool) -> None:
    """Hydra keeps notes on a sweep, in `hydra.sweep.dir`: elsewhere, unless it was named or a launcher needs it."""
    named = any(str(override).startswith("hydra.sweep.dir=") for override in hydra.overrides.hydra)
    if needed or named:
        with writing(path(hydra.sweep.dir), "free the disk, or name another folder with hydra.sweep.dir=…"):
            try_writing(path(hydra.sweep.dir))
        return
    elsewhere = tempfile.mkdtemp(prefix="artbp-run-")
    atexit.register(shutil.rmtree, elsewhere, ignore_errors=True)
    hydra.sweep.dir = elsewhere
    hydra.overrides.hydra.append(f"hydra.sweep.dir={elsewhere}")
