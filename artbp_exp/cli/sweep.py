"""Many runs: done whatever becomes of single ones, and told from their folders how they ended."""

import importlib.util
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor

from artbp_exp.cli.plan import Planned, plan
from artbp_exp.cli.progress import shown
from artbp_exp.cli.signals import Interrupted
from artbp_exp.errors import UserError
from artbp_exp.runs.overwrite_guard import beginning
from artbp_exp.runs.status import FINAL

SETTLED = (*FINAL, "failed")
RELAUNCHED = "ARTBP_RELAUNCHED"
"""Set where a sweep goes on because a worker was killed: what failed before is not tried again."""

HydraMain = Callable[[Sequence[str]], None]


def sweep(hydra_main: HydraMain, arguments: Sequence[str]) -> int:
    """Runs every job of the command line that is not finished yet; prints a table of how they ended.

    Returns:
        The exit code: 0 if every run has its result, 128 + n if signal n stopped the sweep, else 1.

    Raises:
        UserError: the command line is wrong.
    """
    _check_launcher(arguments)
    with beginning():
        return _sweep(hydra_main, arguments)


def _sweep(hydra_main: HydraMain, arguments: Sequence[str]) -> int:
    jobs = plan(hydra_main, arguments)
    code = 0
    try:
        with shown(jobs):
            _launch(hydra_main, arguments, jobs)
    except Interrupted as stop:
        print(f"sweep {stop}; the same command goes on with it", file=sys.stderr)
        code = stop.code
    finally:
        os.environ.pop(RELAUNCHED, None)
    _let_leave(jobs)
    states = [job.state() for job in jobs]
    print(table(jobs, states))
    return code or int(any(status not in FINAL for status, _ in states))


def table(jobs: Sequence[Planned], states: Sequence[tuple[str, str]]) -> str:
    """How many ended how, and which did not get to their result and why."""
    counts = Counter(status for status, _ in states)
    lines = [f"{len(jobs)} jobs: " + ", ".join(f"{count} {status}" for status, count in counts.most_common())]
    for job, (status, reason) in zip(jobs, states, strict=True):
        if status != "finished":
            where = job.folder or " ".join(job.overrides)
            lines.append(f"  {status:<11} {where}" + (f": {reason}" if reason else ""))
    return "\n".join(lines)


def _launch(hydra_main: HydraMain, arguments: Sequence[str], jobs: Sequence[Planned]) -> None:
    """Launches until no worker is killed under it, or that gets nowhere."""
    left = len(jobs) + 1
    while True:
        try:
            hydra_main(arguments)
            return
        except BrokenExecutor:
            # joblib gives up all jobs when the system kills one worker; those that are left are launched again
            _let_leave(jobs)
            unsettled = sum(job.state()[0] not in SETTLED for job in jobs)
            print(f"a worker process was killed; {unsettled} jobs are left and go on", file=sys.stderr)
            if unsettled >= left or unsettled == 0:
                return
            left = unsettled
            os.environ[RELAUNCHED] = "1"


def _let_leave(jobs: Sequence[Planned], *, patience: float = 15.0) -> None:
    """Waits for runs whose worker is gone to finish their segment and checkpoint."""
    until = time.monotonic() + patience
    while any(job.state()[0] == "running" for job in jobs) and time.monotonic() < until:
        time.sleep(0.1)


def _check_launcher(arguments: Sequence[str]) -> None:
    for argument in arguments:
        launcher = argument.partition("hydra/launcher=")[2]
        if launcher == "joblib" and not installed("hydra_plugins.hydra_joblib_launcher"):
            raise UserError(
                "hydra/launcher=joblib is not installed; pip install 'artbp-exp[sweep]', or '.[sweep]' here"
            )


def installed(module: str) -> bool:
    """Whether a module can be imported; no more is imported to find out than the packages that hold it."""
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that would hold it
        return False
