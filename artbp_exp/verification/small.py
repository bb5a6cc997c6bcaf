"""Tiny models in float64, and a task for each: what every outcome of a method can be tried on."""

import inspect
from itertools import islice
from typing import Any

import numpy as np
import torch

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.methods import make_method
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
    model: RecurrentModel,
    task: Task,
    *,
    engine: str = "auto",
    mutant: str = "",
    boundary: str = "none",
    auxiliary: str = "none",
) -> Subject:
    """A method, or a mutant in its place, on a model and a task in float64, those of `small_task`, say.

    The head of a boundary is random; an auxiliary loss has one input to tell.
    """
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
        method = MUTANTS[mutant].method_of(registry.build("method", settings), model)
    else:
        method = make_method(settings, model=model, task=task, engine=engine, boundary=head, auxiliary=extra)
    said = "" if extra is None else f"auxiliary={auxiliary}"
    return Subject(model=model, task=task, method=method, boundary=head, beside=said)


def few_steps(name: str, steps: int) -> tuple[RecurrentModel, Task]:
    """A tiny tanh network, and a few steps of a task: those of an episode with the most losses."""
    task: Task = registry.build("task", {"name": name})
    made = registry.build("model", SIMPLE, generator=torch.Generator().manual_seed(1), **task.shapes)
    return made.to(torch.float64), window(task, steps=min(steps, task.episode), streams=STREAMS)


def randomised(boundary: Boundary) -> None:
    """Sets every parameter of a boundary at random: what it is untrained, zero, says nothing of what it will be."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in boundary.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


def small_estimator(settings: dict[str, Any], model: str, steps: int) -> Subject:
    """A method of its own kind on a tiny model; tinier still, and a single stream, where it draws signs."""
    subject = small(settings, *small_task(model, steps))
    if subject.method.claim(steps) is not Claim.SIGNS:
        return subject
    found = (
        small(settings, *small_task(model, fewer, hidden=hidden, streams=1)) for hidden, fewer in tiny_sizes(steps)
    )
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


def small_task(name: str, steps: int, *, hidden: int = HIDDEN, streams: int = STREAMS) -> tuple[RecurrentModel, Task]:
    """A tiny model, and a task for it: influence balancing, or random symbols."""
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
