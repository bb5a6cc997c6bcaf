"""A few steps of a task's data, as a task of its own: what a gradient is measured on."""

import copy
import math
from typing import Any

import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.synthetic import Synthetic


class Stretch:
    """Steps `start` … `start + steps` − 1 of the first `streams` streams; all else is the task's.

    A run on it ends when the stretch ends, as a run ends at the end of the data: without a draw.
    """

    def __init__(self, task: Task, *, start: int, steps: int, streams: int) -> None:
        self._task, self._start = task, start
        self.steps = steps
        self.batch_size = min(streams, task.batch_size)
        self.passes = 1
        self.divergence = math.inf

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making has no task to ask yet
            raise AttributeError(name)
        return getattr(self._task, name)

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of steps `start` … `stop` − 1 of the stretch: (n, B, …) each."""
        inputs, targets = self._task.window(self._start + start, self._start + stop)
        return inputs[:, : self.batch_size], targets[:, : self.batch_size]


def stretch(task: Task, *, steps: int, start: int = 0, streams: int = 2**31) -> Task:
    """A stretch of `task`; of a task without data a shorter copy, which its fast path knows as its own kind.

    Raises:
        UserError: the task has not so many steps.
    """
    if start + steps > task.steps:
        raise UserError(
            f"a stretch of {steps} steps from step {start} does not fit into the task's {task.steps} steps; "
            f"take a shorter one"
        )
    if isinstance(task, Synthetic):
        short = copy.copy(task)
        short.steps, short.divergence = steps, math.inf
        return short
    found: Any = Stretch(task, start=start, steps=steps, streams=streams)
    checked: Task = found
    return checked


def flat(gradients: dict[str, Tensor]) -> Tensor:
    """All parameters' gradients as one vector, float64."""
    return torch.cat([gradient.flatten().double() for gradient in gradients.values()])
