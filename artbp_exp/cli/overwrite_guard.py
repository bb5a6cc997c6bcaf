"""`overwrite=true` means once: what a sweep has begun anew is continued, not begun anew again."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from artbp_exp import checks

BEGAN = "ARTBP_SWEEP_BEGAN"
"""Set by a sweep for its jobs, here or on a cluster: its start, in seconds since 1970."""

COARSE = 0.05
"""Seconds by which a file's time may lag behind the clock."""


@contextmanager
def beginning() -> Iterator[None]:
    """Within it, jobs know when their sweep began. A sweep within a sweep counts as the outer one."""
    outermost = BEGAN not in os.environ
    if outermost:
        os.environ[BEGAN] = repr(time.time() - COARSE)
    try:
        yield
    finally:
        if outermost:
            del os.environ[BEGAN]


def overwrites(settings: Mapping[str, Any], folder: Path) -> bool:
    """Whether the run in `folder` is to be begun anew: `overwrite` is set, and this sweep has not done so yet.

    A job that the cluster requeues, or a sweep that goes on after a worker was killed, is still the same sweep.

    Raises:
        UserError: `overwrite` is neither true nor false.
    """
    if not checks.flag("overwrite", settings["overwrite"]):
        return False
    began = os.environ.get(BEGAN)
    if began is None:
        return True
    try:
        # written when a run begins, and not when it is continued
        return (folder / "config.yaml").stat().st_mtime < float(began)
    except OSError:
        return True
