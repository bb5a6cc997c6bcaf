"""From a run's settings to what is certified: a short sequence at a shrunk size, and a stretch at full size."""

from collections.abc import Mapping
from typing import Any

import torch

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.experiment import Experiment
from artbp_exp.streams import Streams
from artbp_exp.verification.probe import Probe
from artbp_exp.verification.stretch import stretch

LONGEST = 12
"""Steps that can be enumerated in a minute or two: the patterns double with each."""


def shrunk(settings: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Probe, list[str]]:
    """The probe for enumeration, in float64, and what was made smaller for it, in words.

    Args:
        settings: of a run.
        own: `verify`'s settings: `steps`, `hidden_size`, `method_length`, `streams`.

    Raises:
        UserError: a setting is wrong.
    """
    steps = checks.whole("verify.steps", own["steps"], at_least=1)
    if steps > LONGEST:
        raise UserError(f"verify.steps must be at most {LONGEST} (2^(steps − 1) patterns are enumerated); got {steps}")
    model, method = dict(settings["model"]), dict(settings["method"])
    said = []
    hidden = own["hidden_size"]
    if hidden is not None and model.get("hidden_size", 0) > hidden:
        said.append(f"model.hidden_size {model['hidden_size']} → {hidden}")
        model["hidden_size"] = checks.whole("verify.hidden_size", hidden, at_least=1)
    length = own["method_length"]
    if length is not None and (method.get("length") or 0) > length:
        said.append(f"method.length {method['length']} → {length}")
        method["length"] = checks.number("verify.method_length", length, at_least=1)
    experiment = Experiment({**settings, "model": model, "method": method})
    streams = checks.whole("verify.streams", own["streams"], at_least=1)
    task = stretch(experiment.task, steps=steps, streams=streams)
    if task.batch_size < experiment.task.batch_size:
        said.append(f"streams {experiment.task.batch_size} → {task.batch_size}")
    said.append(f"sequence {experiment.task.steps} → {steps} steps")
    probe = Probe(
        engine=settings["engine"],
        model=experiment.model.to(torch.float64),
        task=task,
        scheme=experiment.scheme,
    )
    return probe, said


def full_size(settings: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[Probe, Any]:
    """The probe for Monte Carlo, at the sizes of a run and in its dtype, and the run's stream of cuts.

    Args:
        settings: of a run.
        own: `verify`'s settings: `stretch` (steps; None takes four mean lengths, at least 100), `streams_at_full_size`.

    Raises:
        UserError: a setting is wrong.
    """
    experiment = Experiment(settings)
    wanted = own["stretch"]
    if wanted is None:
        wanted = max(100, round(4 * (experiment.scheme.length or 0)))
    steps = min(checks.whole("verify.stretch", wanted, at_least=2), experiment.task.steps)
    streams = checks.whole("verify.streams_at_full_size", own["streams_at_full_size"], at_least=1)
    task = stretch(experiment.task, steps=steps, streams=streams)
    probe = Probe(engine=settings["engine"], model=experiment.model, task=task, scheme=experiment.scheme)
    return probe, Streams.from_seed(settings["seed"]).cuts
