"""From a run's settings to what is certified: a short sequence of a shrunk model, and windows of data at full size."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.methods import make_method
from artbp_exp.methods.base import Claim
from artbp_exp.run_config import Choice, RunConfig
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import window
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.training.experiment import Experiment, find_precision
from artbp_exp.verification.enumeration import Subject
from artbp_exp.verification.full_size import CEILING, window_steps
from artbp_exp.verification.small import few_outcomes, tiny_sizes

LONGEST = 12
"""Steps that can be enumerated in a minute or two: the patterns double with each."""

EVERY = 2
"""`method.every` while enumerating: three places for a cut among eight steps."""

MEMORY = 3
"""`method.memory` while enumerating, so that steps are computed twice there as they are at full size."""


@dataclass(frozen=True, kw_only=True)
class Shrunk:
    """What is enumerated.

    Attributes:
        subject: in float64.
        idle: the run's method cuts, or is biased otherwise, but not within these few steps: the test would say nothing.
        changes: what was made smaller than in the run, in words.
    """

    subject: Subject
    idle: bool
    changes: tuple[str, ...]


def shrunk(config: RunConfig, own: Mapping[str, Any]) -> Shrunk:
    """A small model in float64 on a few steps; smaller still where every pattern of random signs is to be tried.

    `own` are `verify`'s settings, of which it reads `steps`, `hidden_size`, `method_length` and `streams`.
    """
    found = _shrunk(config, own)
    if found.subject.method.claim(found.subject.task.steps) is not Claim.SIGNS:
        return found
    for hidden, steps in tiny_sizes(found.subject.task.steps):
        tiny = {"size": hidden + 2, "positive": (hidden + 1) // 2} if "size" in config.task else {}
        task = config.task.but(**tiny)
        found = _shrunk(replace(config, task=task), {**own, "hidden_size": hidden, "steps": steps, "streams": 1})
        if few_outcomes(found.subject.method, steps):
            break
    return found


def _shrunk(config: RunConfig, own: Mapping[str, Any]) -> Shrunk:
    steps = enumerable(own["steps"], at_least=1)
    model, method, changes = dict(config.model), dict(config.method), []
    hidden = own["hidden_size"]
    if hidden is not None:
        hidden = checks.whole("verify.hidden_size", hidden, at_least=1)
        if model.get("hidden_size", 0) > hidden:
            changes.append(f"model.hidden_size {model['hidden_size']} → {hidden}")
            model["hidden_size"] = hidden
    run = measured(replace(config, model=Choice(model)))
    scheme = run.method.scheme
    cuts = run.method.claim(run.task.episode) is Claim.BIASED if scheme is None else can_cut(scheme, run.task.episode)
    if cuts:  # a method that never cuts in the run is not to cut here
        method, said = shorter(method, own["method_length"])
        changes += said
    if (method.get("memory") or 0) > MEMORY:
        changes.append(f"method.memory {method['memory']} → {MEMORY}")
        method["memory"] = MEMORY
    streams = checks.whole("verify.streams", own["streams"], at_least=1)
    steps = min(steps, run.task.episode)
    task = window(run.task, steps=steps, streams=streams)
    if task.batch_size < run.task.batch_size:
        changes.append(f"streams {run.task.batch_size} → {task.batch_size}")
    if steps < run.task.episode:
        changes.append(f"sequence {run.task.episode} → {steps} steps")
    try:
        subject = _subject(run.trainables.to(torch.float64), run, method, task)
    except UserError as error:
        if method.get("length") == config.method.get("length"):
            raise
        advice = "set verify.method_length, the (mean) length while enumerating, to one that this method takes"
        raise UserError(f"{error} ({', '.join(changes)}); {advice}") from error
    cut = subject.method.claim(steps) is Claim.BIASED if subject.scheme is None else can_cut(subject.scheme, steps)
    idle = cuts and not cut
    return Shrunk(subject=subject, idle=idle, changes=tuple(changes))


def enumerable(wanted: Any, *, at_least: int) -> int:
    """`verify.steps`: so few that all ways to cut them can be tried."""
    steps = checks.whole("verify.steps", wanted, at_least=at_least)
    if steps > LONGEST:
        raise UserError(f"verify.steps must be at most {LONGEST} (2^(steps − 1) patterns are enumerated); got {steps}")
    return steps


def measured(config: RunConfig) -> Experiment:
    """The run of this configuration, of which gradients are measured and nothing is trained."""
    with warnings.catch_warnings():
        # that a run would make one update a pass is no concern here, and that it is biased is found out
        warnings.filterwarnings("ignore", message=".* (never cuts|ends every segment)")
        return Experiment(config)


def shorter(method: Mapping[str, Any], wanted: float | None) -> tuple[dict[str, Any], list[str]]:
    """The method with (mean) length `wanted`, so that cuts fall within a few steps; and what was changed, in words.

    Where cuts fall every k steps only, k is shrunk to `EVERY`, and the length to at least two such blocks; but the
    length never has *more* blocks than it had, or a method that always cuts would come out as one that does not.
    """
    found = dict(method)
    changes: list[str] = []
    length, every = found.get("length") or 0, found.get("every", 1)
    if wanted is not None:
        wanted = checks.number("verify.method_length", wanted, at_least=1)
    if wanted is None or length <= wanted:
        return found, changes
    if every > 1:
        found["every"] = min(every, EVERY)
        wanted = found["every"] * min(length / every, max(2, wanted / found["every"]))
    found["length"] = wanted
    for name in ("length", "every"):
        if found.get(name) != method.get(name):
            changes.append(f"method.{name} {method[name]} → {found[name]:g}")
    return found, changes


def sampled(config: RunConfig, own: Mapping[str, Any]) -> tuple[Subject, torch.dtype | None]:
    """The run's model in its precision on a window of its data; and the dtype of its products, if that is another.

    `verify.stretch` says of how many steps; None takes four mean lengths, at least 100, at most `CEILING`.
    """
    run = measured(config)
    wanted = own["stretch"]
    if wanted is None:
        scheme = run.method.scheme
        wanted = min(CEILING, max(100, round(4 * ((scheme and scheme.length) or 0))))
    steps = min(checks.whole("verify.stretch", wanted, at_least=2), run.task.episode)
    autocast = find_precision(config.precision, run.task)[1]
    task = _window(run, own, steps)
    return _subject(run.trainables, run, config.method, task, autocast), autocast


def prescribable(config: RunConfig, own: Mapping[str, Any], *, exact: bool = True) -> Subject:
    """The run's model, unshrunk, on a window beyond `method.memory`: in float64 (`exact`), or in its precision."""
    run = measured(config)
    assert run.method.scheme is not None
    size = sum(parameter.numel() for parameter in run.model.parameters())
    task = _window(run, own, window_steps(run.method.scheme, run.task.episode, size))
    if exact:
        return _subject(run.trainables.to(torch.float64), run, config.method, task)
    return _subject(run.trainables, run, config.method, task, find_precision(config.precision, run.task)[1])


def _window(run: Experiment, own: Mapping[str, Any], steps: int) -> Task:
    streams = checks.whole("verify.streams_at_full_size", own["streams_at_full_size"], at_least=1)
    return window(run.task, steps=steps, streams=streams)


def _subject(
    trainables: nn.ModuleDict,
    run: Experiment,
    method: Mapping[str, Any],
    task: Task,
    autocast: torch.dtype | None = None,
) -> Subject:
    """The run's model with `method` on `task`, by the engine that the run has chosen: `auto` might choose another."""
    learnt = dict(trainables.items())
    parts: dict[str, Any] = {name: learnt.get(name) for name in ("boundary", "auxiliary")}
    made = make_method(method, model=run.model, task=task, engine=run.method.engine, autocast=autocast, **parts)
    auxiliary = parts["auxiliary"]
    beside = "" if auxiliary is None else f"auxiliary={auxiliary.name}"
    return Subject(model=run.model, task=task, method=made, beside=beside, boundary=parts["boundary"])
