"""Tiny models in float64, and a task for each: what every outcome of a method can be tried on."""

import inspect
from itertools import islice
from typing import Any

import numpy as np
import torch

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.methods import make_method, segment_method
from artbp_exp.methods.base import Auxiliary, Boundary, Claim, Method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks import ptb, synthetic
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import window
from artbp_exp.verification.enumeration import Subject
from artbp_exp.verification.variants import MUTANTS

VOCABULARY, STREAMS, HIDDEN = 4, 2, 3
SIMPLE: dict[str, Any] = {"name": "rnn", "hidden_size": HIDDEN}

MOST_OUTCOMES = 512
"""Outcomes of random signs that are tried one by one; there are 2 to the number of signs."""


def small(
    settings: dict[str, Any],
    model: str,
    steps: int,
    *,
    engine: str = "auto",
    mutant: str = "",
    boundary: str = "none",
    auxiliary: str = "none",
) -> Subject:
    """A truncation scheme on a tiny model and a task for it: influence balancing, or random symbols.

    Args:
        settings: of the scheme.
        model: name.
        steps: T.
        engine: as in a run.
        mutant: name of the mutant that takes the method's place.
        boundary: name; its head is random.
        auxiliary: name; it has one input to tell.

    Raises:
        UserError: the engine is not available for this model, or the parts do not fit together.
    """
    built, task = small_task(model, steps)
    return small_with(settings, built, task, engine=engine, mutant=mutant, boundary=boundary, auxiliary=auxiliary)


def small_with(
    settings: dict[str, Any],
    model: RecurrentModel,
    task: Task,
    *,
    engine: str = "auto",
    mutant: str = "",
    boundary: str = "none",
    auxiliary: str = "none",
) -> Subject:
    """As `small`, on a model and a task of the caller's."""
    scheme = registry.build("method", settings)
    offered = {"model": model, "task": task, "generator": torch.Generator().manual_seed(2)}
    head: Boundary | None = registry.build("boundary", {"name": boundary}, offered=offered)
    if head is not None:
        randomised(head.to(torch.float64))
    beside = {} if auxiliary == "none" else {"length": 1}
    offered["rng"] = np.random.default_rng(0)
    extra: Auxiliary | None = registry.build("auxiliary", {"name": auxiliary} | beside, offered=offered)
    if extra is not None:
        extra.to(torch.float64)
    if mutant:
        method = MUTANTS[mutant].method_of(scheme, model)
    else:
        method = segment_method(scheme, model=model, task=task, engine=engine, boundary=head, auxiliary=extra)
    said = "" if extra is None else f"auxiliary={auxiliary}"
    return Subject(model=model, task=task, method=method, boundary=head, beside=said)


def task_subject(settings: dict[str, Any], name: str, steps: int) -> Subject:
    """A truncation scheme on a few steps of a task, those of an episode with the most losses, and a tiny tanh network.

    Raises:
        UserError: the task cannot be made here: its data are not installed.
    """
    task: Task = registry.build("task", {"name": name})
    made = registry.build("model", SIMPLE, generator=torch.Generator().manual_seed(1), **task.shapes)
    short = window(task, steps=min(steps, task.episode), streams=STREAMS)
    return small_with(settings, made.to(torch.float64), Float64(short))


class Float64:
    """A task whose real-valued data are float64."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def window(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of these steps."""
        inputs, targets = (x.double() if x.is_floating_point() else x for x in self._task.window(start, stop))
        return inputs, targets


def randomised(boundary: Boundary) -> None:
    """Sets every parameter of a boundary at random: what it is untrained, zero, says nothing of what it will be."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in boundary.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


def small_estimator(settings: dict[str, Any], model: str, steps: int) -> Subject:
    """A method of its own kind on a tiny model; tinier still, and a single stream, where it draws signs.

    Raises:
        UserError: the method does not fit the model.
    """
    subject = _estimator(settings, model, steps, HIDDEN, STREAMS)
    if subject.method.claim(steps) is not Claim.SIGNS:
        return subject
    found = (_estimator(settings, model, fewer, hidden, 1) for hidden, fewer in tiny_sizes(steps))
    return next(one for one in found if few_outcomes(one.method, one.task.steps))


def tiny_sizes(steps: int) -> list[tuple[int, int]]:
    """(Units, steps), from the largest on, at which to try every pattern of random signs."""
    return [(hidden, fewer) for fewer in range(min(steps, 4), 1, -1) for hidden in (3, 2, 1)]


def few_outcomes(method: Method, steps: int) -> bool:
    """Whether every outcome of `steps` steps can be tried."""
    try:
        return sum(1 for _ in islice(method.outcomes(steps), MOST_OUTCOMES + 1)) <= MOST_OUTCOMES
    except UserError:
        return False


def _estimator(settings: dict[str, Any], model: str, steps: int, hidden: int, streams: int) -> Subject:
    built, task = small_task(model, steps, hidden=hidden, streams=streams)
    return Subject(model=built, task=task, method=make_method(settings, model=built, task=task))


def small_task(name: str, steps: int, *, hidden: int = HIDDEN, streams: int = STREAMS) -> tuple[RecurrentModel, Task]:
    """The model and the task of `small`."""
    generator = torch.Generator().manual_seed(1)
    known = inspect.signature(registry.builder("model", name)).parameters
    if "vocabulary" not in known:
        task: Any = synthetic.build(size=hidden + 2, positive=(hidden + 1) // 2, steps=steps)
        settings: dict[str, Any] = {"name": name}
    else:
        symbols = np.random.default_rng(1).integers(VOCABULARY, size=streams * (steps + 1))
        task = ptb.PennTreebank(
            parts={"train": symbols, "valid": symbols, "test": symbols},
            vocabulary=VOCABULARY,
            batch_size=streams,
            epochs=1,
            carry_state=True,
            divergence=100.0,
            rows_per_epoch=1,
        )
        settings = {"name": name, "hidden_size": hidden}
        if "truncate" in known:  # by the model itself, which no method could make up for
            settings["truncate"] = steps
    model: RecurrentModel = registry.build("model", settings, generator=generator, **task.shapes)
    return model.to(torch.float64), window(task, steps=steps)
