"""A live view of a sweep on the terminal, read from the run folders."""

import os
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from artbp_exp.cli.signals import STOPPING
from artbp_exp.cli.sweep.jobs import Planned
from artbp_exp.runs.status import FINAL

REFRESH = 0.5
"""Seconds between two looks at the folders."""


@contextmanager
def shown(jobs: Sequence[Planned]) -> Iterator[None]:
    """Within it, a line on the terminal follows the sweep. Nothing is shown where there is no terminal.

    A separate process draws it, so that it neither waits for the launcher nor delays it.
    """
    if not (sys.stderr.isatty() and hasattr(os, "fork")):
        yield
        return
    sys.stdout.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            for number in STOPPING:
                signal.signal(number, signal.SIG_IGN)
            _follow(jobs, parent)
        finally:
            os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        sys.stderr.write("\n")


def look(jobs: Sequence[Planned], before: Sequence[str]) -> list[str]:
    """The status of each job. One that had its result at the last look keeps it: parsing all folders takes seconds."""
    return [status if status in FINAL else job.state()[0] for job, status in zip(jobs, before, strict=True)]


def line(jobs: Sequence[Planned], states: Sequence[str]) -> tuple[int, str]:
    """(jobs that have ended, the others in words)."""
    counts = Counter(states)
    running = [job.folder for job, status in zip(jobs, states, strict=True) if status == "running" and job.folder]
    words = [
        f"{counts[status]} {status}"
        for status in ("running", "diverged", "failed", "killed", "interrupted")
        if counts[status]
    ]
    words += [f"{'/'.join(folder.parts[-2:])} at step {last_step(folder)}" for folder in running[:3]]
    ended = len(jobs) - counts["running"] - counts["waiting"]
    return ended, ", ".join(words)


def last_step(folder: Path) -> str:
    """The step of the last whole row of a run's metrics."""
    try:
        header, *rows = (folder / "metrics.csv").read_text(encoding="utf-8").split("\n")[:-1]
        return rows[-1].split(",")[header.split(",").index("step")]
    except (OSError, ValueError, IndexError):
        return "0"


def _follow(jobs: Sequence[Planned], parent: int) -> None:
    states = ["waiting"] * len(jobs)
    while os.getppid() == parent:
        states = look(jobs, states)
        ended, words = line(jobs, states)
        text = f"{ended}/{len(jobs)} jobs" + (f": {words}" if words else "")
        # back to the line's start, and clear what is longer than the new one
        sys.stderr.write(f"\r{text[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        sys.stderr.flush()
        time.sleep(REFRESH)
