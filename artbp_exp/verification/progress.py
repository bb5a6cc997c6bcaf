"""How long something takes: a progress bar on a terminal, and nothing elsewhere; and a time measured in advance."""

import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm


def progress(total: int | None, unit: str) -> "tqdm[Any]":
    """A bar with a rate and an estimate of what is left, gone when it is done."""
    return tqdm(total=total, unit=f" {unit}", leave=False, disable=not sys.stderr.isatty())


def seconds_of(run: Callable[[], object]) -> float:
    """How long it takes the second time: the first compiles what there is to compile."""
    run()
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
