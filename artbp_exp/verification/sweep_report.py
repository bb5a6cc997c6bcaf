"""Says on the terminal and in a CSV what of all that is shipped was certified."""

import time
from pathlib import Path
from typing import Any

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.verification.everything import FAR_LENGTH, FarVerdict, Verdict, everything, far
from artbp_exp.verification.subject import LONGEST
from artbp_exp.verification.table import Row, check_writable, write

CERTIFIED, REFUTED = "certified", "refuted"

LEAST = 4
"""Steps below which what is biased need not show: a cap at 3 steps, say."""


def sweep(wanted: Any, path: Path) -> bool:
    """Certifies all that is shipped and refutes the broken, by enumeration and lag by lag; prints a line each.

    Args:
        wanted: T of the enumerated sequences, in steps.
        path: CSV of what was enumerated; that of the lags stands beside it, `lags_beside`.

    Returns:
        Whether every verdict is the expected one.

    Raises:
        UserError: fewer steps than `LEAST`, or more than can be enumerated; a file cannot be written.
    """
    steps = checks.whole("verify.steps", wanted, at_least=LEAST)
    if steps > LONGEST:
        raise UserError(f"verify.steps must be at most {LONGEST} (2^(steps − 1) patterns are enumerated); got {steps}")
    check_writable(path)
    began = time.perf_counter()
    print(f"every way to cut {steps} steps:")
    rows = [_enumerated(found) for found in everything(steps)]
    write(path, rows)
    print(f"\nlengths and factors lag by lag, at mean length {FAR_LENGTH}:")
    far_rows = [_lag_by_lag(found) for found in far()]
    write(lags_beside(path), far_rows)
    rows += far_rows
    wrong = sum(row["verdict"] != row["expected"] for row in rows)
    certified = sum(row["verdict"] == CERTIFIED for row in rows)
    print(
        f"\n{certified} certified, {len(rows) - certified} refuted, {wrong} against expectation "
        f"({time.perf_counter() - began:.0f} s)\n{path}\n{lags_beside(path)}"
    )
    return not wrong


def lags_beside(path: Path) -> Path:
    """Where the table of the lags goes: `everything_lags.csv` beside `everything.csv`."""
    return path.with_stem(f"{path.stem}_lags")


def _enumerated(found: Verdict) -> Row:
    exact = found.exact
    bias, error = max(exact.bias.values()), exact.variance_error
    verdict = _said(exact.certified)
    print(
        f"{'' if found.holds else 'WRONG: '}{found.method:<40} {found.model:<8} {found.engine:<47} "
        f"bias {bias:8.1e}  variance formula {'-' if error is None else f'{error:.1e}':<8} {verdict}"
        f"{_remark(holds=found.holds, expected=found.expected)}",
        flush=True,
    )
    return {
        "method": found.method,
        "model": found.model,
        "engine": found.engine,
        "patterns": exact.patterns,
        "relative_bias": bias,
        "variance": exact.variance,
        "variance_predicted": exact.predicted,
        "variance_error": error,
        "verdict": verdict,
        "expected": _said(found.expected),
        "computed_in": "float64",
        "reason": exact.reason,
    }


def _lag_by_lag(found: FarVerdict) -> Row:
    lags, expected = found.lags, not found.broken
    verdict = _said(lags.reason is None)
    print(
        f"{'' if found.holds else 'WRONG: '}{found.method:<40} {found.broken and f'broken: {found.broken}':<56} "
        f"{lags.count:>5} lags  factors off by {lags.factor_error:.1e}  {verdict}"
        f"{_remark(holds=found.holds, expected=expected)}",
        flush=True,
    )
    return {
        "method": found.method,
        "broken": found.broken,
        "lags": lags.count,
        "factor_error": lags.factor_error,
        "verdict": verdict,
        "expected": _said(expected),
        "reason": lags.reason,
    }


def _said(certified: bool) -> str:
    return CERTIFIED if certified else REFUTED


def _remark(*, holds: bool, expected: bool) -> str:
    if expected:
        return ""
    return ", as it should be" if holds else ", though broken"
