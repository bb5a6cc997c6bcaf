"""Says on the terminal and in a CSV what was certified."""

import time
from pathlib import Path
from typing import Any

import pandas as pd

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.verification import everything as sweep
from artbp_exp.verification.exact import BIAS_TOLERANCE, certify, promises_no_bias
from artbp_exp.verification.monte_carlo import monte_carlo
from artbp_exp.verification.subject import full_size, shrunk


def one(settings: dict[str, Any], own: dict[str, Any], path: Path) -> bool:
    """Certifies one configuration: by enumeration at a shrunk size, by Monte Carlo at full size.

    Returns:
        Whether it is certified.
    """
    draws = checks.whole("verify.draws", own["draws"])
    who = {"method": settings["method"]["name"], "model": settings["model"]["name"], "engine": settings["engine"]}
    print("configuration: " + ", ".join(f"{key} {value}" for key, value in who.items()))
    rows = _enumerate(settings, own)
    if draws:
        rows += _sample(settings, own, draws)
    _write(path, [who | row for row in rows])
    certified = all(row["holds"] for row in rows)
    print(f"verdict: {'certified' if certified else 'refuted: biased against full BPTT'}\n{path}")
    return certified


def _enumerate(settings: dict[str, Any], own: dict[str, Any]) -> list[dict[str, Any]]:
    probe, said = shrunk(settings, own)
    exact = certify(probe)
    print(f"\nexact, {exact.patterns} ways to cut {probe.task.steps} steps, float64; shrunk: {', '.join(said)}")
    if exact.patterns == 1 and probe.scheme.length is not None and promises_no_bias(probe.scheme, probe.task.steps):
        print("  no cut can fall within so few steps: this is full BPTT, and says nothing of longer sequences")
    rows = []
    for name, bias in exact.bias.items():
        holds = bias < BIAS_TOLERANCE
        print(f"  {name:<16} relative bias {bias:9.2e}   {'ok' if holds else 'BIASED'}")
        rows.append({"check": "exact bias", "parameter": name, "value": bias, "holds": holds})
    error = exact.variance_error
    if error is None:
        print(f"  variance {exact.variance:.6g} (no prediction: the formula is for unbiased schemes)")
    else:
        rest = exact.certified or max(exact.bias.values()) >= BIAS_TOLERANCE
        print(f"  variance {exact.variance:.6g}, by the formula {exact.predicted:.6g}: relative error {error:.1e}")
        rows.append({"check": "variance formula", "parameter": "all", "value": error, "holds": rest})
    return rows


def _sample(settings: dict[str, Any], own: dict[str, Any], draws: int) -> list[dict[str, Any]]:
    probe, cuts = full_size(settings, own)
    task = probe.task
    began = time.perf_counter()
    intervals = monte_carlo(probe, cuts=cuts, draws=draws)
    seconds = time.perf_counter() - began
    print(
        f"\nMonte Carlo at full size, {draws} draws on {task.steps} steps × {task.batch_size} streams "
        f"({seconds:.0f} s); relative bias with its interval (all together right with probability 0.99)"
    )
    rows = []
    for found in intervals:
        mark = "ok" if found.holds else "BIASED"
        print(
            f"  {found.parameter:<16} {found.direction:<16} {found.bias:+9.2e}  "
            f"[{found.low:+9.2e}, {found.high:+9.2e}]  {mark}"
        )
        rows.append(
            {
                "check": f"Monte Carlo, {found.direction}",
                "parameter": found.parameter,
                "value": found.bias,
                "low": found.low,
                "high": found.high,
                "draws": found.draws,
                "holds": found.holds,
            }
        )
    return rows


def everything(steps: int, path: Path) -> bool:
    """Certifies all that is shipped, refutes the broken; prints a line each.

    Returns:
        Whether every verdict is the expected one.
    """
    rows = []
    began = time.perf_counter()
    for found in sweep.everything(steps):
        exact = found.exact
        bias, error = max(exact.bias.values()), exact.variance_error
        verdict = "certified" if exact.certified else "refuted"
        print(
            f"{'' if found.holds else 'WRONG: '}{found.method:<40} {found.model:<8} {found.engine:<40} "
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
            }
        )
    _write(path, rows)
    wrong = sum(row["verdict"] != row["expected"] for row in rows)
    certified = sum(row["verdict"] == "certified" for row in rows)
    print(
        f"{certified} certified, {len(rows) - certified} refuted, {wrong} against expectation "
        f"({time.perf_counter() - began:.0f} s)\n{path}"
    )
    return wrong == 0


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pd.DataFrame(rows).to_csv(path, index=False)
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}; name another file with verify.csv=…") from error
