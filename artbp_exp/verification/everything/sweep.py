"""Certifies all that is shipped and refutes the mutants, and says so on the terminal and in two CSVs."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from artbp_exp import registry
from artbp_exp.verification.everything.rows import CERTIFIED, REFUTED, enumerated, verdict
from artbp_exp.verification.full_size import lag_by_lag
from artbp_exp.verification.report import Row, check_writable, write
from artbp_exp.verification.subject import enumerable
from artbp_exp.verification.variants import (
    FAR_LENGTH,
    FAR_MEMORY,
    LAGS,
    MUTANTS,
    MUTATED,
    far_methods,
    label,
    lags_beside,
    mutants,
)

FAR_LIMIT = 10_000
"""Length T of the data, in steps, where lengths and factors are tried lag by lag."""

LEAST = 4
"""Steps below which what is biased need not show: a cap at 3 steps, say."""


def far() -> Iterator[Row]:
    """Tries every method lag by lag at L0 = `FAR_LENGTH`; expects what is broken at long lags to be refuted."""
    broken = MUTATED | {"length": FAR_LENGTH}
    for settings, name in [(one, "") for one in far_methods()] + [(broken, name) for name in mutants(LAGS)]:
        scheme = registry.build("method", settings | {"memory": FAR_MEMORY})
        lags = lag_by_lag(MUTANTS[name].scheme_of(scheme) if name else scheme, limit=FAR_LIMIT)
        row = {"method": label(settings), "broken": name, "lags": lags.count, "factor_error": lags.factor_error}
        found = CERTIFIED if lags.reason is None else REFUTED
        yield row | verdict(found, REFUTED if name else CERTIFIED, lags.reason)


def _printed(rows: Iterator[Row], describe: Callable[[Row], str]) -> list[Row]:
    """All rows, each printed as soon as it is there, and loudly if its verdict is not the expected one."""
    done = []
    for row in rows:
        holds = row["verdict"] == row["expected"]
        remark = "" if row["expected"] == CERTIFIED else ", as it should be" if holds else ", though broken"
        wrong = "" if holds else "WRONG: "
        print(f"{wrong}{row['method']:<40} {describe(row)}  {row['verdict']}{remark}", flush=True)
        done.append(row)
    return done


def _exact_line(row: Row) -> str:
    who = f"{row['model']:<8} {row['engine']:<47}"
    if "relative_bias" not in row:
        return f"{who} {row['reason']}:"
    error = "-" if row["variance_error"] is None else f"{row['variance_error']:.1e}"
    return f"{who} bias {row['relative_bias']:8.1e}  variance formula {error:<8} {row['claim']}:"


def _lags_line(row: Row) -> str:
    broken = row["broken"] and f"broken: {row['broken']}"
    return f"{broken:<56} {row['lags']:>5} lags  factors off by {row['factor_error']:.1e}"


def sweep(wanted: Any, path: Path, *, threads: int | None) -> bool:
    """Certifies all that is shipped and refutes the mutants, by enumeration and lag by lag; prints a line each.

    `wanted` is T of the enumerated sequences, at least `LEAST` steps; `path` the CSV of what was enumerated, which has
    that of the lags beside it (`lags_beside`). Returns whether every verdict is the expected one.
    """
    steps = enumerable(wanted, at_least=LEAST)
    check_writable(path)
    if threads is not None:
        torch.set_num_threads(threads)
    began = time.perf_counter()
    print(f"every way to cut {steps} steps:")
    rows = _printed(enumerated(steps), _exact_line)
    write(path, rows)
    print(f"\nlengths and factors lag by lag, at mean length {FAR_LENGTH}:")
    far_rows = _printed(far(), _lags_line)
    write(lags_beside(path), far_rows)
    rows += far_rows
    wrong = sum(row["verdict"] != row["expected"] for row in rows)
    certified, refuted = (sum(row["verdict"] == found for row in rows) for found in (CERTIFIED, REFUTED))
    print(
        f"\n{certified} certified, {refuted} refuted, {wrong} against expectation "
        f"({time.perf_counter() - began:.0f} s)\n{path}\n{lags_beside(path)}"
    )
    return not wrong
