"""Interleaved timing: contestants take turns, so that a slow minute of the machine hits all of them."""

import ctypes
import platform
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from artbp_exp.runs.provenance import provenance

Rates = dict[str, NDArray[np.float64]]


def interleaved(
    contestants: Mapping[str, Callable[[], float]],
    *,
    repeats: int,
    label: str,
    scale: float = 1.0,
) -> Rates:
    """Rates of each contestant, (repeats,): `scale` times what its function returns, per second.

    Work that it has queued on a GPU is waited for.

    Args:
        contestants: name → function that does some work and returns how much (symbols, steps, …).
        repeats: rounds; in each, every contestant has one turn. A first turn of each is not counted.
        label: for the progress bar.
        scale: of the rates; symbols a step, say.
    """
    rates: dict[str, list[float]] = {name: [] for name in contestants}
    turns = [(round_, name) for round_ in range(repeats + 1) for name in contestants]
    for round_, name in tqdm(turns, desc=label, unit="turn", disable=None):
        started = time.perf_counter()
        work = scale * contestants[name]()
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()  # or work that is only queued would pass for done
        if round_ > 0:
            rates[name].append(work / (time.perf_counter() - started))
    return {name: np.array(values) for name, values in rates.items()}


def rows(rates: Rates, **settings: Any) -> Iterator[dict[str, Any]]:
    """One row for each contestant: median, least and greatest rate."""
    for name, values in rates.items():
        yield {
            **settings,
            "contestant": name,
            "median": float(np.median(values)),
            "least": float(values.min()),
            "greatest": float(values.max()),
            "repeats": values.size,
        }


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> dict[str, float]:
    """Median and quartiles of the ratios of two contestants' rates, round by round."""
    quotients = above / below
    return {
        "ratio": float(np.median(quotients)),
        "lower_quartile": float(np.quantile(quotients, 0.25)),
        "upper_quartile": float(np.quantile(quotients, 0.75)),
        "repeats": quotients.size,
    }


def keep_memory() -> None:
    """Lets glibc keep what is freed, so that no contestant pays for page faults; another C library is left as it is.

    Otherwise the rate of `nn.LSTM` depends on what the process did before: a fresh one takes a thousand faults a step.
    """
    trim_threshold, mmap_max = -1, -4  # of malloc.h
    with suppress(AttributeError, OSError, TypeError):  # not glibc
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def machine(command: str, device: torch.device) -> dict[str, Any]:
    """What the figures were measured on."""
    found = provenance(command=command, device=device)
    try:
        numba = version("numba")
    except PackageNotFoundError:
        numba = "not installed"
    return {
        "command": command,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "device": found["device"],
        "system": platform.platform(terse=True),
        "threads": found["threads"],
        **{name: found["versions"][name] for name in ("python", "torch", "numpy")},
        "numba": numba,
        "git_commit": found["git_commit"],
        "git_dirty": found["git_dirty"],
    }
