"""Says on the terminal and in a CSV what of all that is shipped was certified."""

import time
from pathlib import Path

from artbp_exp.verification.everything import everything
from artbp_exp.verification.report import write


def sweep(steps: int, path: Path) -> bool:
    """Certifies all that is shipped, refutes the broken; prints a line each.

    Returns:
        Whether every verdict is the expected one.
    """
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
