"""A small model with a task for it, as a checkpoint to diagnose."""

from typing import Any

import numpy as np

from artbp_exp.diagnosis.clock import Clock
from artbp_exp.diagnosis.run.checkpoint import Checkpoint
from artbp_exp.diagnosis.run.rows import Candidate, Effort, measure_at
from artbp_exp.methods import make_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.small import small_task as small

__all__ = ["measured", "measured_at", "small"]


def measured(
    model: RecurrentModel,
    task: Task,
    method: dict[str, Any],
    *,
    draws: int,
    starts: int,
    seed: tuple[int, ...] = (0, 0),
    batch_size: int = 1,
) -> dict[str, Any]:
    """The row of `methods.csv`."""
    checkpoint = Checkpoint(model=model, task=task, wide=task, batch_size=batch_size, run_carries=True)
    return measured_at(checkpoint, method, draws=draws, starts=starts, seed=seed)


def measured_at(
    checkpoint: Checkpoint, method: dict[str, Any], *, draws: int, starts: int, seed: tuple[int, ...] = (0, 0)
) -> dict[str, Any]:
    """The row of `methods.csv`."""
    model, task = checkpoint.model, checkpoint.task
    one = Candidate(settings=method, method=make_method(method, model=model, task=task))
    effort = Effort(draws=draws, starts=starts, seconds=0.0, whole=0.0)
    rng = np.random.default_rng(seed)
    return measure_at(checkpoint, full_bptt(model, task), one, effort=effort, clock=Clock(None), rng=rng)
