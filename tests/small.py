"""A small model with a task for it, as a checkpoint to diagnose."""

from typing import Any

import numpy as np

from artbp_exp.diagnosis.checkpoint import Checkpoint
from artbp_exp.diagnosis.measure import measure_at
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.small import small_task as small

__all__ = ["measured", "small"]


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
    rng = np.random.default_rng(seed)
    full = full_bptt(model, task)
    return measure_at(checkpoint, full, method, engine="auto", draws=draws, starts=starts, rng=rng)
