"""Says on the terminal and in a CSV whether one configuration is certified."""

import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.files import try_writing, writing
from artbp_exp.methods.base import Claim
from artbp_exp.random_streams import RandomStreams
from artbp_exp.run_config import RunConfig
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.training.experiment import find_precision
from artbp_exp.verification.enumeration import VARIANCE_TOLERANCE, Exact
from artbp_exp.verification.full_size import CEILING, FACTOR_TOLERANCE, lag_by_lag, named, prescribed
from artbp_exp.verification.judgement import Judgement, judge
from artbp_exp.verification.monte_carlo import (
    LEAST_DRAWS,
    Interval,
    drawn,
    draws_of,
    explained,
    monte_carlo,
    variance_of_one,
)
from artbp_exp.verification.progress import progress, seconds_of
from artbp_exp.verification.small import randomised
from artbp_exp.verification.smoothed import certify_claim
from artbp_exp.verification.subject import Shrunk, measured, prescribable, sampled, shrunk

Row = dict[str, Any]
REMEDY = "name another file with verify.csv=…"


def one(config: RunConfig, own: dict[str, Any], path: Path, *, below: bool = False) -> bool:
    """Certifies one configuration: by enumeration at a shrunk size, by prescribed cuts at full size; draws inform.

    `own` are the settings of `verify`. `below` writes below what the CSV holds already, the other configurations of a
    sweep. Returns whether it is certified.
    """
    draws, seconds = draws_of(own["draws"]), own["seconds"]
    if seconds is not None:
        seconds = checks.number("verify.seconds", seconds, above=0)
    if own["stretch"] is not None:
        checks.whole("verify.stretch", own["stretch"], at_least=2)
    check_writable(path)
    who = {"method": config.method.name, "model": config.model.name, "engine": config.engine}
    print("configuration: " + ", ".join(f"{key} {value}" for key, value in who.items()))
    print(
        "to come: every way to cut a few steps through a small model (seconds); prescribed cuts at full size (seconds, "
        "or minutes with a thousand units)"
        + (f"; {draws} draws at full size (how long is said there)" if draws else ""),
        flush=True,
    )
    small = shrunk(config, own)
    exact, rows = _enumerate(small, config.precision)
    if small.subject.boundary is not None:
        randomised(small.subject.boundary)
        random, more = _enumerate(small, config.precision, head=", random head")
        exact, rows = exact if random.certified else random, rows + more
    wrong, unsure, intervals = list[str](), list[str](), list[Interval]()
    if small.subject.scheme is not None:
        wrong, unsure, more = _prescribe(config, own)
        rows += more
    elif config.precision == "bfloat16":
        unsure = ["precision=bfloat16 is tested by prescribed cuts, and there are none for a method without a scheme"]
    if draws:
        intervals, more = _sample(config, own, draws, seconds)
        rows += more
    verdict = judge(
        exact=exact,
        prescribed=wrong,
        sampled=intervals,
        idle=small.idle,
        clip=config.optimizer.get("clip"),
        rounded=unsure,
        beside=small.subject.beside,
    )
    claim = small.subject.method.claim(small.subject.task.steps)
    said = {"verdict": verdict.verdict, "reason": "; ".join(verdict.reasons), "claim": claim}
    write(path, [who | row | said for row in rows], below=below)
    print(f"verdict: {verdict}\n{_claimed(claim, exact, verdict)}")
    if intervals and verdict.verdict != "refuted":
        print(
            f"  these draws alone show no bias below {100 * max(found.half_width for found in intervals):.2g} % of a "
            f"parameter's gradient (the widest interval's half-width); the prescribed cuts show any"
        )
    print(path)
    return verdict.certified


def _claimed(claim: Claim, exact: Exact, verdict: Judgement) -> str:
    """What the method says of its gradient, and whether that was borne out."""
    worst = max(exact.bias, key=lambda name: exact.bias[name])
    if claim is Claim.BIASED:
        found = "confirmed" if exact.biased(worst) else "no bias shows here"
        return f"claim: {claim}; {found}: the mean gradient of {worst} is off by {100 * exact.bias[worst]:.3g} %"
    return f"claim: {claim}; {'confirmed' if verdict.certified else 'not confirmed'}"


def _enumerate(small: Shrunk, precision: str, head: str = "") -> tuple[Exact, list[Row]]:
    method, steps = small.subject.method, small.subject.task.steps
    what, then = ("outcome", "of") if small.subject.scheme is None else ("way", "to cut")
    with progress(None, "outcomes") as bar:
        exact = certify_claim(small.subject, each=lambda found: bar.update())
    print(
        f"\nexact, {exact.patterns} {what}{'s' if exact.patterns > 1 else ''} {then} {steps} steps, engine "
        f"{method.engine}, in float64 whatever the precision of the run (precision={precision}); "
        f"shrunk: {', '.join(small.changes) or 'nothing'}{head}"
    )
    rows = [_row("lengths drawn", holds=exact.misdrawn is None)]
    rows += [_row(f"exact bias{head}", name, bias, holds=not exact.biased(name)) for name, bias in exact.bias.items()]
    error = exact.variance_error
    if error is not None:
        rows.append(_row(f"variance formula{head}", value=error, holds=error < VARIANCE_TOLERANCE))
    _print(rows)
    formula = f"by the formula {exact.predicted:.6g}" if error is not None else f"no formula, {exact.no_formula}"
    print(f"  variance {exact.variance:.6g} ({formula})")
    return exact, [{"ran": method.engine, "computed_in": "float64", **row} for row in rows]


def _prescribe(config: RunConfig, own: dict[str, Any]) -> tuple[list[str], list[str], list[Row]]:
    """(Why the configuration is refuted; why it is not certified in the run's precision; rows of the table)."""
    began, run = time.perf_counter(), measured(config)
    lags, scheme = lag_by_lag(run.method, limit=run.task.episode), run.method.scheme
    assert scheme is not None
    subject = prescribable(config, own)
    dtype, autocast = find_precision(config.precision, run.task)
    products, computed = autocast or dtype, _computed_in(dtype, autocast)
    others = [] if products == torch.float64 else [(prescribable(config, own, exact=False), products)]
    held, memory, task, engine = prescribed(subject, *others), scheme.memory, subject.task, subject.method.engine
    kept = "method.memory=null" if memory is None else f"longest segment beyond method.memory={memory}"
    if memory is not None and max(max(one.pattern) for one in held) <= memory:
        kept = f"no segment beyond method.memory={memory}"
    most = f"; never more than {CEILING} steps" if task.steps == CEILING else ""
    print(
        f"\nprescribed at full size, no draws and no variance, lags 1 to {lags.count} ({lags.why}) and "
        f"{task.steps} steps × {task.batch_size} streams ({kept}{most}), engine {engine}, in float64 "
        f"{f'and, to its rounding, in {computed} ' if others else ''}({time.perf_counter() - began:.0f} s)"
    )
    right = lags.wrong_from is None and lags.factor_error < FACTOR_TOLERANCE
    rows = [_row("lengths at full size", holds=lags.misdrawn is None)]
    rows.append(_row("factors at full size", value=lags.factor_error, holds=right))
    rows = [{"computed_in": "float64", **row} for row in rows]
    wrong, unsure = [lags.reason] if lags.reason is not None else [], list[str]()
    for one in held:
        few = len(one.pattern) < 6
        cuts = f"{' + '.join(map(str, one.pattern))} steps" if few else f"{len(one.pattern)} segments"
        exact = one.products == torch.float64
        check = f"prescribed cuts{'' if exact else f' in {named(products)}'}, {cuts}"
        for name, off in one.off.items():
            row = _row(check, name, off, holds=one.holds(name))
            rows.append({"computed_in": "float64" if exact else computed, **row})
        if one.reason is not None:
            (wrong if exact else unsure).append(one.reason)
    _print(rows)
    return wrong[:1], unsure[:1], [{"ran": engine, **row} for row in rows]


def _sample(
    config: RunConfig, own: dict[str, Any], draws: int, seconds: float | None
) -> tuple[list[Interval], list[Row]]:
    (subject, autocast), cuts = sampled(config, own), RandomStreams.from_seed(config.seed).cuts
    engine, task, scheme = subject.method.engine, subject.task, subject.scheme
    computed = _computed_in(next(subject.model.parameters()).dtype, autocast)
    rng = np.random.default_rng(0)  # the run's stream is left alone
    each, wanted = seconds_of(lambda: drawn(subject, rng)), draws
    if seconds is not None:
        draws = min(draws, max(LEAST_DRAWS, int(seconds / each)))
    fewer = f"; not {wanted}: verify.seconds={seconds:g}" if draws < wanted else ""
    print(
        f"\nMonte Carlo at full size, {draws} draws on {task.steps} steps × {task.batch_size} streams, "
        f"engine {engine}, in {computed} (about {math.ceil(draws * each)} s{fewer})",
        flush=True,
    )
    with progress(draws, "draws") as bar:
        variance = variance_of_one(subject, draws)
        intervals = monte_carlo(subject, cuts=cuts, draws=draws, variance=variance, autocast=autocast, each=bar.update)
    print(explained(intervals))
    rows = [
        {
            **_row(f"Monte Carlo, {found.direction}", found.parameter, found.bias, holds=found.holds),
            "low": found.low,
            "high": found.high,
            "half_width": found.half_width,
            "draws": found.draws,
        }
        for found in intervals
    ]
    _print(rows, [found.mark for found in intervals])
    if scheme is not None and can_cut(scheme, measured(config).task.episode) and not can_cut(scheme, task.steps):
        print("  no cut can fall within these steps: the draws say nothing")
    return intervals, [{"ran": engine, "computed_in": computed, **row} for row in rows]


def _computed_in(dtype: torch.dtype, autocast: torch.dtype | None) -> str:
    return named(dtype) + (f", products in {named(autocast)}" if autocast is not None else "")


def _row(check: str, parameter: str = "all", value: float | None = None, *, holds: bool) -> Row:
    return {"check": check, "parameter": parameter, "holds": holds} | ({} if value is None else {"value": value})


def _print(rows: Sequence[Row], marks: Sequence[str] | None = None) -> None:
    """A line for each row."""
    width = max(len(row["check"]) for row in rows)
    for index, row in enumerate(rows):
        value = f"{row['value']:+9.2e}" if "value" in row else ""
        if "low" in row:
            value += f"  [{row['low']:+9.2e}, {row['high']:+9.2e}]  ± {row['half_width']:.1e}"
        mark = marks[index] if marks else "ok" if row["holds"] else "WRONG"
        print(f"  {row['check']:<{width}}  {row['parameter']:<16} {value:>9}  {mark}")


def check_writable(path: Path) -> None:
    """Makes the folder of the table, and says so at once where it could not be written in the end."""
    with writing(path, REMEDY):
        try_writing(path.parent)
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")


def write(path: Path, rows: list[Row], *, below: bool = False) -> None:
    """Writes the table, column → value a row; `below` keeps the rows that are there."""
    table = pd.DataFrame(rows)
    if below:
        try:
            table = pd.concat([pd.read_csv(path), table])
        except (OSError, ValueError) as error:
            raise UserError(f"cannot add to {path}, changed meanwhile: {error}; {REMEDY}") from error
    with writing(path, REMEDY):
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
