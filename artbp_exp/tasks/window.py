"""A few steps of a task's data, as a task of its own: what a gradient is measured on."""

import copy
import math
from typing import Any

from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.synthetic import Synthetic


class Window:
    """Steps `start` … `start + steps` − 1 of the first `streams` streams; all else is the task's.

    A pass over it ends when the window ends, as a pass ends at the end of the data: without a draw.
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
        """Inputs and targets of steps `start` … `stop` − 1 of the window: (n, B, …) each."""
        inputs, targets = self._task.window(self._start + start, self._start + stop)
        return inputs[:, : self.batch_size], targets[:, : self.batch_size]


def window(task: Task, *, steps: int, start: int = 0, streams: int = 2**31) -> Task:
    """A window of `task`; of a task without data a shorter copy, which its fast path knows as its own kind.

    Raises:
        UserError: the task has not so many steps.
    """
    if start + steps > task.steps:
        raise UserError(
            f"a window of {steps} steps from step {start} does not fit into the task's {task.steps} steps; "
            f"take a shorter one"
        )
    if isinstance(task, Synthetic):
        short = copy.copy(task)
        short.steps, short.divergence = steps, math.inf
        return short
    found: Any = Window(task, start=start, steps=steps, streams=streams)
    checked: Task = found
    return checked
