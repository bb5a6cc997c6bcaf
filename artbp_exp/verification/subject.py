"""From a run's settings to what is certified: a short sequence at a shrunk size, and a stretch at full size."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from artbp_exp import checks, registry
from artbp_exp.errors import UserError
from artbp_exp.random_streams import RandomStreams
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.training.experiment import Experiment, find_precision
from artbp_exp.truncation import Scheme
from artbp_exp.verification.prescribed import CEILING, size, stretch_of
from artbp_exp.verification.probe import Probe
from artbp_exp.verification.stretch import stretch

LONGEST = 12
"""Steps that can be enumerated in a minute or two: the patterns double with each."""

EVERY = 2
"""`method.every` while enumerating: three places for a cut among eight steps."""

MEMORY = 3
"""`method.memory` while enumerating: long segments are recomputed piece by piece, as they are at full size."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is put to a test.

    Attributes:
        probe: asks for gradients.
        idle: the run's method cuts, but no cut can fall within the few steps of the probe: the test would say nothing.
        shrunk: what was made smaller than in the run, in words.
    """

    probe: Probe
    idle: bool
    shrunk: tuple[str, ...] = ()


def shrunk(settings: Mapping[str, Any], own: Mapping[str, Any]) -> Subject:
    """What is enumerated: a small model in float64 on a few steps.

    Args:
        settings: of a run.
        own: `verify`'s settings: `steps`, `hidden_size`, `method_length`, `streams`.

    Raises:
        UserError: a setting is wrong.
    """
    steps = checks.whole("verify.steps", own["steps"], at_least=1)
    if steps > LONGEST:
        raise UserError(f"verify.steps must be at most {LONGEST} (2^(steps − 1) patterns are enumerated); got {steps}")
    model = dict(settings["model"])
    said = []
    hidden = own["hidden_size"]
    if hidden is not None:
        hidden = checks.whole("verify.hidden_size", hidden, at_least=1)
        if model.get("hidden_size", 0) > hidden:
            said.append(f"model.hidden_size {model['hidden_size']} → {hidden}")
            model["hidden_size"] = hidden
    experiment = measured({**settings, "model": model})
    cuts = can_cut(experiment.scheme, experiment.task.steps)
    method = settings["method"]
    if cuts:  # a method that never cuts in the run is not to cut here
        method, changes = shorter(method, own["method_length"])
        said += changes
    if (method.get("memory") or 0) > MEMORY:
        said.append(f"method.memory {method['memory']} → {MEMORY}")
        method = {**method, "memory": MEMORY}
    scheme: Scheme = registry.build("method", method)
    streams = checks.whole("verify.streams", own["streams"], at_least=1)
    task = stretch(experiment.task, steps=steps, streams=streams)
    if task.batch_size < experiment.task.batch_size:
        said.append(f"streams {experiment.task.batch_size} → {task.batch_size}")
    said.append(f"sequence {experiment.task.steps} → {steps} steps")
    # the engine that the run has found for itself: in float64, or with another optimiser, `auto` might find another
    engine = experiment.method.engine
    probe = Probe(engine=engine, model=experiment.model.to(torch.float64), task=task, scheme=scheme)
    return Subject(probe=probe, idle=cuts and not can_cut(scheme, steps), shrunk=tuple(said))


def measured(settings: Mapping[str, Any]) -> Experiment:
    """The run of these settings, of which gradients are measured and nothing is trained."""
    with warnings.catch_warnings():
        # that a run would make one update a pass is no concern here, and that it is biased is found out
        warnings.filterwarnings("ignore", message="method=.* (never cuts|ends every segment)")
        return Experiment(settings)


def shorter(method: Mapping[str, Any], wanted: float | None) -> tuple[dict[str, Any], list[str]]:
    """The method with (mean) length `wanted`, so that cuts fall within a few steps; and what was changed, in words.

    Where cuts fall every k steps only, k is shrunk to `EVERY`, and the length to two such blocks at least; but the
    length never has *more* blocks than it had, or a method that always cuts would come out as one that does not.
    """
    found = dict(method)
    said: list[str] = []
    length, every = found.get("length") or 0, found.get("every", 1)
    if wanted is not None:
        wanted = checks.number("verify.method_length", wanted, at_least=1)
    if wanted is None or length <= wanted:
        return found, said
    if every > 1:
        found["every"] = min(every, EVERY)
        wanted = found["every"] * min(length / every, max(2, wanted / found["every"]))
    found["length"] = wanted
    for name in ("length", "every"):
        if found.get(name) != method.get(name):
            said.append(f"method.{name} {method[name]} → {found[name]:g}")
    return found, said


def full_size(settings: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Subject, np.random.Generator]:
    """What is sampled: the run's model in its precision on a stretch of data; and the run's stream of cuts.

    Args:
        settings: of a run.
        own: `verify`'s settings: `stretch` (steps; None takes four mean lengths, at least 100, at most `CEILING`),
            `streams_at_full_size`.

    Raises:
        UserError: a setting is wrong.
    """
    experiment = measured(settings)
    scheme = experiment.scheme
    wanted = own["stretch"]
    if wanted is None:
        wanted = min(CEILING, max(100, round(4 * (scheme.length or 0))))
    steps = min(checks.whole("verify.stretch", wanted, at_least=2), experiment.task.steps)
    streams = checks.whole("verify.streams_at_full_size", own["streams_at_full_size"], at_least=1)
    probe = Probe(
        engine=experiment.method.engine,
        model=experiment.model,
        task=stretch(experiment.task, steps=steps, streams=streams),
        scheme=scheme,
        autocast=find_precision(settings["precision"], experiment.task)[1],
    )
    idle = can_cut(scheme, experiment.task.steps) and not can_cut(scheme, steps)
    return Subject(probe=probe, idle=idle), RandomStreams.from_seed(settings["seed"]).cuts


def prescribable(settings: Mapping[str, Any], own: Mapping[str, Any]) -> Probe:
    """What is held against the oracle: the run's model, unshrunk but in float64, on a stretch of its data.

    Args:
        settings: of a run.
        own: `verify`'s settings: `streams_at_full_size`.

    Raises:
        UserError: a setting is wrong.
    """
    experiment = measured(settings)
    streams = checks.whole("verify.streams_at_full_size", own["streams_at_full_size"], at_least=1)
    steps = stretch_of(experiment.scheme, experiment.task.steps, size(experiment.model))
    return Probe(
        engine=experiment.method.engine,
        model=experiment.model.to(torch.float64),
        task=stretch(experiment.task, steps=steps, streams=streams),
        scheme=experiment.scheme,
    )
