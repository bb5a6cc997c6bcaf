"""Certifies all that is shipped and refutes the mutants, and says so on the terminal and in two CSVs."""

import inspect
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from artbp_exp import checks, registry
from artbp_exp.autograd.engines import ENGINES
from artbp_exp.errors import UserError
from artbp_exp.methods import segment_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks import ptb, synthetic
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import window
from artbp_exp.theory.unbiased import is_unbiased
from artbp_exp.verification.draws import SchemeDraws
from artbp_exp.verification.enumeration import Exact, Subject, certify
from artbp_exp.verification.full_size import lag_by_lag
from artbp_exp.verification.report import Row, check_writable, write
from artbp_exp.verification.subject import LONGEST
from artbp_exp.verification.variants import (
    ENUMERATION,
    FAR_LENGTH,
    FAR_MEMORY,
    LAGS,
    MUTANTS,
    MUTATED,
    far_methods,
    label,
    lags_beside,
    methods,
    mutants,
)

VOCABULARY, STREAMS, HIDDEN = 4, 2, 3

FAR_LIMIT = 10_000
"""Length T of the data, in steps, where lengths and factors are tried lag by lag."""

LEAST = 4
"""Steps below which what is biased need not show: a cap at 3 steps, say."""

CERTIFIED, REFUTED = "certified", "refuted"


def enumerated(steps: int) -> Iterator[Row]:
    """Certifies all that is shipped on sequences of `steps` steps; expects the biased and the mutants to be refuted."""
    for model in registry.names("model"):
        for settings in methods():
            for engine in ENGINES:
                try:
                    subject = small(settings, model, steps, engine=engine)
                except UserError:
                    if engine in ("auto", "plain"):  # these two are for every model
                        raise
                    continue
                assert subject.scheme is not None
                expected = is_unbiased(subject.scheme, steps)
                yield _enumerated(label(settings), model, engine, certify(subject), expected=expected)
    for name in mutants(ENUMERATION):
        for model in registry.names("model"):
            found = certify(small(MUTATED, model, steps, mutant=name))
            yield _enumerated(label(MUTATED), model, f"broken: {name}", found, expected=False)


def far() -> Iterator[Row]:
    """Tries every method lag by lag at L0 = `FAR_LENGTH`; expects what is broken at long lags to be refuted."""
    broken = MUTATED | {"length": FAR_LENGTH}
    for settings, name in [(one, "") for one in far_methods()] + [(broken, name) for name in mutants(LAGS)]:
        scheme = registry.build("method", settings | {"memory": FAR_MEMORY})
        lags = lag_by_lag(SchemeDraws(MUTANTS[name].scheme_of(scheme) if name else scheme), limit=FAR_LIMIT)
        row = {"method": label(settings), "broken": name, "lags": lags.count, "factor_error": lags.factor_error}
        yield row | _verdict(lags.reason, expected=not name)


def _enumerated(method: str, model: str, engine: str, exact: Exact, *, expected: bool) -> Row:
    return {
        "method": method,
        "model": model,
        "engine": engine,
        "patterns": exact.patterns,
        "relative_bias": max(exact.bias.values()),
        "variance": exact.variance,
        "variance_predicted": exact.predicted,
        "variance_error": exact.variance_error,
        **_verdict(exact.reason, expected=expected, computed_in="float64"),
    }


def _verdict(reason: str | None, *, expected: bool, **more: str) -> Row:
    verdict, wanted = (CERTIFIED if certified else REFUTED for certified in (reason is None, expected))
    return {"verdict": verdict, "expected": wanted, **more, "reason": reason}


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
    error = "-" if row["variance_error"] is None else f"{row['variance_error']:.1e}"
    return f"{row['model']:<8} {row['engine']:<47} bias {row['relative_bias']:8.1e}  variance formula {error:<8}"


def _lags_line(row: Row) -> str:
    broken = row["broken"] and f"broken: {row['broken']}"
    return f"{broken:<56} {row['lags']:>5} lags  factors off by {row['factor_error']:.1e}"


def small(settings: dict[str, Any], model: str, steps: int, *, engine: str = "auto", mutant: str = "") -> Subject:
    """A method on a tiny model in float64 and a task for it: influence balancing, or random symbols.

    Args:
        settings: of the method.
        model: name.
        steps: T.
        engine: as in a run.
        mutant: name of the mutant that takes the method's place.

    Raises:
        UserError: the engine is not available for this model.
    """
    built, task = small_task(model, steps)
    scheme = registry.build("method", settings)
    if mutant:
        method = MUTANTS[mutant].method_of(scheme, built)
    else:
        method = segment_method(scheme, model=built, task=task, engine=engine)
    return Subject(model=built, task=task, method=method)


def small_task(name: str, steps: int) -> tuple[RecurrentModel, Task]:
    """The model and the task of `small`."""
    generator = torch.Generator().manual_seed(1)
    if "vocabulary" not in inspect.signature(registry.builder("model", name)).parameters:
        task: Any = synthetic.build(size=5, positive=2, steps=steps)
        settings: dict[str, Any] = {"name": name}
    else:
        symbols = np.random.default_rng(1).integers(VOCABULARY, size=STREAMS * (steps + 1))
        task = ptb.PennTreebank(
            parts={"train": symbols, "valid": symbols, "test": symbols},
            vocabulary=VOCABULARY,
            batch_size=STREAMS,
            epochs=1,
            carry_state=True,
            divergence=100.0,
            rows_per_epoch=1,
        )
        settings = {"name": name, "hidden_size": HIDDEN}
    model: RecurrentModel = registry.build("model", settings, generator=generator, **task.shapes)
    return model.to(torch.float64), window(task, steps=steps)


def sweep(wanted: Any, path: Path) -> bool:
    """Certifies all that is shipped and refutes the mutants, by enumeration and lag by lag; prints a line each.

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
    rows = _printed(enumerated(steps), _exact_line)
    write(path, rows)
    print(f"\nlengths and factors lag by lag, at mean length {FAR_LENGTH}:")
    far_rows = _printed(far(), _lags_line)
    write(lags_beside(path), far_rows)
    rows += far_rows
    wrong = sum(row["verdict"] != row["expected"] for row in rows)
    certified = sum(row["verdict"] == CERTIFIED for row in rows)
    print(
        f"\n{certified} certified, {len(rows) - certified} refuted, {wrong} against expectation "
        f"({time.perf_counter() - began:.0f} s)\n{path}\n{lags_beside(path)}"
    )
    return not wrong
