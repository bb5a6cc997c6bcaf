"""`overwrite=true` means once: a sweep does not start again what it has started itself."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import run_folder

BEGAN = "ARTBP_SWEEP_BEGAN"
"""Set by a sweep for its jobs, here or on a cluster: when it began, in seconds since 1970."""

COARSE = 0.05
"""Seconds by which a file's time may lag behind the clock."""


def now() -> float:
    """When a sweep that begins now began."""
    return time.time() - COARSE


@contextmanager
def beginning(began: float | None = None) -> Iterator[None]:
    """Within it, jobs know when their sweep began, see `now`. A sweep within a sweep counts as the outer one."""
    outermost = BEGAN not in os.environ
    if outermost:
        os.environ[BEGAN] = repr(now() if began is None else began)
    try:
        yield
    finally:
        if outermost:
            del os.environ[BEGAN]


def overwrites(config: RunConfig) -> bool:
    """Returns whether the run starts from the beginning: `overwrite` is set, and this sweep has not started it yet.

    A job that the cluster requeues, or a sweep that goes on after a worker was killed, is still the same sweep.
    """
    if not config.overwrite:
        return False
    began = os.environ.get(BEGAN)
    if began is None:
        return True
    try:
        # written when a run begins, and not when it is continued
        return (run_folder(config) / "config.yaml").stat().st_mtime < float(began)
    except OSError:
        return True
