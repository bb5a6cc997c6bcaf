"""Says on the terminal and in a CSV what of all that is shipped was certified."""

import time
from pathlib import Path
from typing import Any

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.verification.everything import everything
from artbp_exp.verification.report import write
from artbp_exp.verification.subject import LONGEST

LEAST = 4
"""Steps below which what is biased need not show: a cap at 3 steps, say."""


def sweep(wanted: Any, path: Path) -> bool:
    """Certifies all that is shipped, refutes the broken, on sequences of `wanted` steps; prints a line each.

    Returns:
        Whether every verdict is the expected one.

    Raises:
        UserError: fewer steps than `LEAST`, or more than can be enumerated.
    """
    steps = checks.whole("verify.steps", wanted, at_least=LEAST)
    if steps > LONGEST:
        raise UserError(f"verify.steps must be at most {LONGEST} (2^(steps − 1) patterns are enumerated); got {steps}")
    rows = []
    began = time.perf_counter()
    for found in everything(steps):
        exact = found.exact
        bias, error = max(exact.bias.values()), exact.variance_error
        verdict = "certified" if exact.certified else "refuted"
        print(
            f"{'' if found.holds else 'WRONG: '}{found.method:<40} {found.model:<8} {found.engine:<47} "
            f"bias {bias:8.1e}  variance formula {'-' if error is None else f'{error:.1e}':<8} {verdict}"
            f"{'' if found.expected else ', as it should be' if found.holds else ', though broken'}",
            flush=True,
        )
        rows.append(
            {
                "method": found.method,
                "model": found.model,
                "engine": found.engine,
                "patterns": exact.patterns,
                "relative_bias": bias,
                "variance": exact.variance,
                "variance_predicted": exact.predicted,
                "variance_error": error,
                "verdict": verdict,
                "expected": "certified" if found.expected else "refuted",
                "computed_in": "float64",
                "reason": exact.reason,
            }
        )
    write(path, rows)
    wrong = sum(row["verdict"] != row["expected"] for row in rows)
    certified = sum(row["verdict"] == "certified" for row in rows)
    print(
        f"{certified} certified, {len(rows) - certified} refuted, {wrong} against expectation "
        f"({time.perf_counter() - began:.0f} s)\n{path}"
    )
    return wrong == 0
