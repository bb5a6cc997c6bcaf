"""Says on the terminal and in a CSV whether one configuration is certified."""

import math
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from artbp_exp import checks
from artbp_exp.verification.exact import BIAS_TOLERANCE, VARIANCE_TOLERANCE, Exact, certify
from artbp_exp.verification.exact_variance import variance_of_one
from artbp_exp.verification.full_size_report import without_draws
from artbp_exp.verification.judgement import EXACT, judge
from artbp_exp.verification.monte_carlo import ALONG_BIAS, ALONG_G, FAMILY, Interval, draws_of, monte_carlo
from artbp_exp.verification.probe import Probe
from artbp_exp.verification.subject import Subject, full_size, shrunk
from artbp_exp.verification.table import Row, check_writable, write

SHOWN = 0.5
"""Share of the exact variance below which draws are said not to show it."""


def one(settings: dict[str, Any], own: dict[str, Any], path: Path, *, below: bool = False) -> bool:
    """Certifies one configuration: by enumeration at a shrunk size, by prescribed cuts at full size; draws inform.

    Args:
        settings: of a run.
        own: `verify`'s.
        path: of the CSV.
        below: write below what it holds already, the other configurations of a sweep.

    Returns:
        Whether it is certified.

    Raises:
        UserError: a setting is wrong, or the CSV cannot be written.
    """
    draws = draws_of(own["draws"])
    if own["stretch"] is not None:
        checks.whole("verify.stretch", own["stretch"], at_least=2)
    check_writable(path)
    who = {"method": settings["method"]["name"], "model": settings["model"]["name"], "engine": settings["engine"]}
    print("configuration: " + ", ".join(f"{key} {value}" for key, value in who.items()))
    print(
        "to come: every way to cut a few steps through a small model (seconds); prescribed cuts at full size (seconds, "
        "or minutes with a thousand units)"
        + (f"; {draws} draws at full size (how long is said there)" if draws else ""),
        flush=True,
    )
    small = shrunk(settings, own)
    exact, rows = _enumerate(small, settings["precision"])
    wrong, more = without_draws(settings, own)
    rows += more
    intervals: list[Interval] = []
    if draws:
        large, cuts = full_size(settings, own)
        intervals, more = _sample(large.probe, cuts, draws)
        rows += more
        if large.idle:
            print("  no cut can fall within these steps: the draws say nothing")
    verdict = judge(
        exact=exact,
        prescribed=wrong,
        sampled=intervals,
        idle=[EXACT] if small.idle else [],
        clip=settings["optimizer"].get("clip"),
        mixed=settings["precision"] == "bfloat16",
    )
    said = {"verdict": verdict.verdict, "reason": "; ".join(verdict.reasons)}
    write(path, [who | row | said for row in rows], below=below)
    print(f"verdict: {verdict}")
    if intervals and verdict.verdict != "refuted":
        print(
            f"  these draws alone show no bias below {100 * max(found.half_width for found in intervals):.2g} % of a "
            f"parameter's gradient (the widest interval's half-width); the prescribed cuts show any"
        )
    print(path)
    return verdict.certified


def _enumerate(subject: Subject, precision: str) -> tuple[Exact, list[Row]]:
    probe = subject.probe
    with _bar(None, "ways to cut") as bar:
        exact = certify(probe, each=bar.update)
    print(
        f"\nexact, {exact.patterns} way{'s' if exact.patterns > 1 else ''} to cut {probe.task.steps} steps, "
        f"engine {probe.engine}, in float64 whatever the precision of the run (precision={precision}); "
        f"shrunk: {', '.join(subject.shrunk)}"
    )
    print(f"  lengths drawn with the hazard's probabilities: {'ok' if exact.misdrawn is None else 'WRONG'}")
    rows: list[Row] = [{"check": "lengths drawn", "parameter": "all", "holds": exact.misdrawn is None}]
    for name, bias in exact.bias.items():
        holds = bias < BIAS_TOLERANCE
        print(f"  {name:<16} relative bias {bias:9.2e}   {'ok' if holds else 'BIASED'}")
        rows.append({"check": "exact bias", "parameter": name, "value": bias, "holds": holds})
    error = exact.variance_error
    if error is None:
        print(f"  variance {exact.variance:.6g} (no prediction, the formula does not apply: {exact.no_formula})")
    else:
        print(f"  variance {exact.variance:.6g}, by the formula {exact.predicted:.6g}: relative error {error:.1e}")
        rows.append(
            {"check": "variance formula", "parameter": "all", "value": error, "holds": error < VARIANCE_TOLERANCE}
        )
    return exact, [{"ran": probe.engine, "computed_in": "float64", **row} for row in rows]


def _sample(probe: Probe, cuts: Any, draws: int) -> tuple[list[Interval], list[Row]]:
    task = probe.task
    computed = str(next(probe.model.parameters()).dtype).removeprefix("torch.")
    if probe.autocast is not None:
        computed += f", products in {str(probe.autocast).removeprefix('torch.')}"
    print(
        f"\nMonte Carlo at full size, {draws} draws on {task.steps} steps × {task.batch_size} streams, "
        f"engine {probe.engine}, in {computed} (about {math.ceil(draws * _seconds(probe))} s)",
        flush=True,
    )
    with _bar(draws, "draws") as bar:
        intervals = monte_carlo(probe, cuts=cuts, draws=draws, variance=variance_of_one(probe, draws), each=bar.update)
    print(
        f"  relative bias with its interval, not part of the verdict unless far outside it ({told(intervals)});\n"
        f"  {ALONG_G}: is the gradient too long or too short; {ALONG_BIAS}: in the direction in which the first\n"
        f"  half of the draws is off, measured on the second half"
    )
    rows = []
    for found in intervals:
        mark = found.mark
        print(
            f"  {found.parameter:<16} {found.direction:<{len(ALONG_BIAS)}} {found.bias:+9.2e}  "
            f"[{found.low:+9.2e}, {found.high:+9.2e}]  ± {found.half_width:.1e}  {mark}"
        )
        rows.append(
            {
                "ran": probe.engine,
                "computed_in": computed,
                "check": f"Monte Carlo, {found.direction}",
                "parameter": found.parameter,
                "value": found.bias,
                "low": found.low,
                "high": found.high,
                "half_width": found.half_width,
                "draws": found.draws,
                "holds": found.holds,
            }
        )
    return intervals, rows


def _bar(total: int | None, unit: str) -> "tqdm[Any]":
    """On a terminal only, and gone when it is done."""
    return tqdm(total=total, unit=f" {unit}", leave=False, disable=not sys.stderr.isatty())


def _seconds(probe: Probe) -> float:
    """Of one draw. Of the second: the first compiles what there is to compile. The run's stream is left alone."""
    drawn = probe.drawn(np.random.default_rng(0), 2)
    next(drawn)
    began = time.perf_counter()
    next(drawn)
    return time.perf_counter() - began


def told(intervals: list[Interval]) -> str:
    """Whether the draws show the variance that they have, in words."""
    shown = intervals[0].shown
    if math.isnan(shown):
        return "information only: their variance is not known"
    if shown < SHOWN:
        return f"information only: heavy tails, these draws show {shown:.0%} of the exact variance"
    return f"Student's t, {100 * (1 - FAMILY):g} % interval for all rows together"
