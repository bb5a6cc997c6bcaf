"""Each job of a sweep in its own process: whatever becomes of it, the sweep continues."""

import importlib
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from artbp_exp.cli.errors import explained
from artbp_exp.cli.signals import Interrupted, Signals, Stop, handled

KILLED = "killed by {}: out of memory, perhaps, or by hand"


def preload() -> None:
    """Loads what every run needs, once instead of in each fork; starts no thread and uses no device."""
    import torch

    importlib.import_module("artbp_exp.training.experiment")  # for the forks
    # the first optimiser makes torch load its compiler, a second or two
    torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)


def isolated(work: Callable[[Stop], object]) -> str | None:
    """Runs `work` in a fork of this process. Random state, threads, memory and crashes stay in there.

    Signals that ask to stop are passed on to it.

    Args:
        work: gets a function that returns SIGTERM once the parent is gone, for then nobody waits for the job. Its user
            errors are printed in one line, its bugs with their traceback.

    Returns:
        Why it ended, where a signal killed it before it could say so itself; else None.

    Raises:
        Interrupted: this process was asked to stop, and the job has stopped.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    with warnings.catch_warnings():
        # of threads that Python sees: they are idle ones of numerical libraries, which mind forks themselves
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _work_and_exit(work, lambda: None if os.getppid() == parent else signal.SIGTERM)
    asked = Signals()

    def pass_on(number: int, frame: FrameType | None) -> None:
        with suppress(ProcessLookupError):  # it may have ended just now
            os.kill(child, number)
        asked.note(number)

    with handled(pass_on):
        _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if asked.caught is not None:
        raise Interrupted(asked.caught)
    return KILLED.format(signal.Signals(-code).name) if code < 0 else None


def _work_and_exit(work: Callable[[Stop], object], orphaned: Stop) -> None:
    code = 1
    try:
        with explained():
            work(orphaned)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)  # not through the parent's own clean-up
