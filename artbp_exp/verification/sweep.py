"""Certifies all that is shipped and refutes the mutants, and says so on the terminal and in two CSVs."""

import inspect
import time
from collections.abc import Iterator
from dataclasses import dataclass
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
from artbp_exp.verification.full_size import Lags, lag_by_lag
from artbp_exp.verification.subject import LONGEST
from artbp_exp.verification.table import Row, check_writable, write
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


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One line of the enumeration, or of what is tried lag by lag.

    Attributes:
        method: with its settings.
        found: by the check.
        expected: whether it is to be certified.
        model: name; empty lag by lag.
        engine: name.
        broken: what is wrong with a mutant; empty if nothing is.
    """

    method: str
    found: Exact | Lags
    expected: bool
    model: str = ""
    engine: str = ""
    broken: str = ""

    @property
    def certified(self) -> bool:
        """Whether the check finds nothing wrong."""
        return self.found.reason is None

    @property
    def holds(self) -> bool:
        """Whether the verdict is the expected one."""
        return self.certified == self.expected

    def line(self, what: str, numbers: str) -> str:
        """The verdict in a line, loudly if it is not the expected one."""
        remark = "" if self.expected else ", as it should be" if self.holds else ", though broken"
        return f"{'' if self.holds else 'WRONG: '}{self.method:<40} {what}{numbers}  {_said(self.certified)}{remark}"


def enumerated(steps: int) -> Iterator[Verdict]:
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
                yield Verdict(
                    method=label(settings),
                    model=model,
                    engine=engine,
                    expected=is_unbiased(subject.scheme, steps),
                    found=certify(subject),
                )
    for name in mutants(ENUMERATION):
        for model in registry.names("model"):
            found = certify(small(MUTATED, model, steps, mutant=name))
            yield Verdict(method=label(MUTATED), model=model, engine=f"broken: {name}", expected=False, found=found)


def far() -> Iterator[Verdict]:
    """Tries every method lag by lag at L0 = `FAR_LENGTH`; expects what is broken at long lags to be refuted."""
    broken = MUTATED | {"length": FAR_LENGTH}
    lines = [(settings, "") for settings in far_methods()] + [(broken, name) for name in mutants(LAGS)]
    for settings, name in lines:
        scheme = registry.build("method", settings | {"memory": FAR_MEMORY})
        if name:
            scheme = MUTANTS[name].scheme_of(scheme)
        found = lag_by_lag(SchemeDraws(scheme), limit=FAR_LIMIT)
        yield Verdict(method=label(settings), broken=name, expected=not name, found=found)


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
    rows = [_enumerated(verdict) for verdict in enumerated(steps)]
    write(path, rows)
    print(f"\nlengths and factors lag by lag, at mean length {FAR_LENGTH}:")
    far_rows = [_lag_by_lag(verdict) for verdict in far()]
    write(lags_beside(path), far_rows)
    rows += far_rows
    wrong = sum(row["verdict"] != row["expected"] for row in rows)
    certified = sum(row["verdict"] == CERTIFIED for row in rows)
    print(
        f"\n{certified} certified, {len(rows) - certified} refuted, {wrong} against expectation "
        f"({time.perf_counter() - began:.0f} s)\n{path}\n{lags_beside(path)}"
    )
    return not wrong


def _enumerated(verdict: Verdict) -> Row:
    exact = verdict.found
    assert isinstance(exact, Exact)
    bias, error = max(exact.bias.values()), exact.variance_error
    formula = "-" if error is None else f"{error:.1e}"
    what = f"{verdict.model:<8} {verdict.engine:<47} "
    print(verdict.line(what, f"bias {bias:8.1e}  variance formula {formula:<8}"), flush=True)
    return {
        "method": verdict.method,
        "model": verdict.model,
        "engine": verdict.engine,
        "patterns": exact.patterns,
        "relative_bias": bias,
        "variance": exact.variance,
        "variance_predicted": exact.predicted,
        "variance_error": error,
        "verdict": _said(verdict.certified),
        "expected": _said(verdict.expected),
        "computed_in": "float64",
        "reason": exact.reason,
    }


def _lag_by_lag(verdict: Verdict) -> Row:
    lags = verdict.found
    assert isinstance(lags, Lags)
    what = f"{verdict.broken and f'broken: {verdict.broken}':<56} "
    print(verdict.line(what, f"{lags.count:>5} lags  factors off by {lags.factor_error:.1e}"), flush=True)
    return {
        "method": verdict.method,
        "broken": verdict.broken,
        "lags": lags.count,
        "factor_error": lags.factor_error,
        "verdict": _said(verdict.certified),
        "expected": _said(verdict.expected),
        "reason": lags.reason,
    }


def _said(certified: bool) -> str:
    return CERTIFIED if certified else REFUTED
