"""A few steps of a task's data, as a task of its own: what a gradient is measured on."""

import copy
import math
from typing import Any

import numpy as np
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.losses import has_target
from artbp_exp.tasks.synthetic import Synthetic


class Window:
    """Steps `start` … `start + steps` − 1 of at most `streams` streams, from the `first` on; all else is the task's.

    It is one episode: it ends as the data end, without a draw.
    """

    def __init__(self, task: Task, *, start: int, steps: int, streams: int, first: int = 0) -> None:
        self._task, self._start, self._first = task, start, first
        self.steps = self.episode = steps
        self.batch_size = min(streams, task.batch_size - first)
        self.passes = 1
        self.divergence = math.inf

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making has no task to ask yet
            raise AttributeError(name)
        return getattr(self._task, name)

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of steps `start` … `stop` − 1 of the window: (n, B, …) each."""
        inputs, targets = self._task.window(self._start + start, self._start + stop)
        at = slice(self._first, self._first + self.batch_size)
        return inputs[:, at], targets[:, at]


def window(task: Task, *, steps: int, start: int | None = None, streams: int = 2**31) -> Task:
    """A window of an episode of `task`; of a task without data a shorter copy, which its fast path knows as its kind.

    It has at most the first `streams` streams. `start` None takes the earliest window of the first episode with the
    most losses.
    """
    begins = start or 0
    left = min(task.steps, begins - begins % task.episode + task.episode) - begins
    if steps > left:
        what = "the task" if task.episode == task.steps else "its episode"
        size = task.steps if task.episode == task.steps else task.episode
        raise UserError(
            f"a window of {steps} steps from step {begins} does not fit into {what}'s {size} steps; take a shorter one"
        )
    if isinstance(task, Synthetic):
        short = copy.copy(task)
        short.steps, short.episode, short.divergence = steps, steps, math.inf
        return short
    if start is None:
        start = _fullest(task, steps, streams)
    found: Any = Window(task, start=start, steps=steps, streams=streams)
    checked: Task = found
    return checked


def _fullest(task: Task, steps: int, streams: int) -> int:
    """Where the earliest window of `steps` steps begins that has the most losses: 0 where every step has one."""
    _, targets = task.window(0, min(task.episode, task.steps))
    losses = has_target(targets[:, :streams]).sum(1).cpu().numpy()
    until = np.concatenate([[0], np.cumsum(losses)])
    return int((until[steps:] - until[:-steps]).argmax())
