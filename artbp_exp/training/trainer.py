"""Trains and yields rows of metrics. Knows no Hydra, no files and no plots, and no method, task or model by name."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Progress, Task
from artbp_exp.training import Learner
from artbp_exp.training.learner import Tick

Pause = Callable[[], bool]
"""Asked at segment boundaries whether to stop there."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of metrics.

    Attributes:
        row: values for the task's columns, None where there is none.
        best: whether the model is the best so far by the task's score (or the last one, where there is none).
        status: `running`, and in the last record `finished` or `diverged`.
        pass_end: whether a pass ends here.
    """

    row: dict[str, Any]
    best: bool
    status: str
    pass_end: bool = False


class Trainer:
    """Trains a model on a task with a learner, online; stops at any segment boundary and goes on from there.

    Args:
        task: built by `registry.build("task", …)`.
        model: what `learner` trains, for the task to read and evaluate.
        learner: from `make_learner`; the method and the optimiser are in it.
        data: random stream of the data.

    Attributes:
        done: whether the run has its result.
        seconds: trained so far, in this process and in those before it.
    """

    def __init__(self, *, task: Task, model: RecurrentModel, learner: Learner, data: np.random.Generator) -> None:
        self.done = False
        self.seconds = 0.0
        self._task, self._model, self._learner, self._data = task, model, learner, data
        self._best = float("inf")
        self._passes = 0  # whole ones
        self._within = False  # a pass has begun and not ended
        self._drawn_from: dict[str, Any] = {}  # the data's stream as it was when the pass began
        self._first = 0  # step of the run at which the pass began
        self._pass_loss = 0.0
        self._training_seconds = 0.0

    def run(self, *, tick: Tick = lambda steps: None, pause: Pause = lambda: False) -> Iterator[Record]:
        """Trains, and yields a record whenever a row is due, until the run is done or `pause` returns true.

        Divergence is a result: the last record then has status `diverged`, and training stops. After a pause
        another call goes on. At each record and after a pause, `state_dict` holds all that is to come.

        Args:
            tick: told the number of steps done since it was last called.
            pause: asked at segment boundaries.
        """
        began = time.perf_counter() - self.seconds
        learner, task, tally = self._learner, self._task, self._learner.tally
        marks = task.marks()

        asked = False

        def beat(steps: int) -> bool:
            nonlocal asked
            tick(steps)
            asked = pause()
            return asked

        while not self.done:
            if not self._within:
                self._begin_pass()
            first = self._first
            due = [mark - first for mark in marks if 0 < mark - first < task.steps]
            for until in [*due, task.steps]:
                if until <= tally.step - first < task.steps:
                    continue  # the last segment went beyond this mark: its row is written already
                started = time.perf_counter()
                learner.advance(until, beat)
                self._training_seconds += time.perf_counter() - started
                self.seconds = time.perf_counter() - began
                if tally.step - first < until and not tally.diverged:
                    return
                yield self._record(began)
                if asked:
                    return  # at the segment that ended at this row
                if self.done or not self._within:
                    break

    def _begin_pass(self) -> None:
        self._drawn_from = dict(self._data.bit_generator.state)
        self._task.begin_pass(self._data)
        self._learner.begin_pass()
        self._within = True
        self._first = self._learner.tally.step
        self._pass_loss, self._training_seconds = 0.0, 0.0

    def _record(self, began: float) -> Record:
        """The record that is due; leaves the trainer as the next segment needs it."""
        task, tally = self._task, self._learner.tally
        done = tally.step - self._first
        finished = done == task.steps
        self._pass_loss += tally.loss
        row = task.row(
            Progress(
                step=tally.step,
                passes=self._passes + finished,
                at_pass_end=finished and not tally.diverged,
                loss=tally.mean_loss(),
                pass_loss=self._pass_loss / done,
                segments=tally.segments,
                mean_length=tally.mean_length,
                max_length=tally.max_length,
                training_seconds=self._training_seconds,
                pass_steps=done,
                seconds=time.perf_counter() - began,
            ),
            self._model,
        )
        tally.restart()
        self._passes += finished
        self._within = not finished
        self.done = tally.diverged or self._passes == task.passes
        self.seconds = time.perf_counter() - began
        score = task.score(row)
        improved = score is not None and score < self._best
        self._best = score if score is not None and improved else self._best
        # with nothing to select by (or nothing selected yet) the last model is the one to keep
        keep = improved or (self.done and self._best == float("inf"))
        status = "diverged" if tally.diverged else "finished" if self.done else "running"
        return Record(row=row, best=keep, status=status, pass_end=finished)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on: parameters, optimiser, streams, counts; tensors and plain values."""
        return {
            "model": self._model.state_dict(),
            "learner": self._learner.state_dict(),
            "data": self._data.bit_generator.state,
            "drawn_from": self._drawn_from,
            "passes": self._passes,
            "within": self._within,
            "first": self._first,
            "pass_loss": self._pass_loss,
            "training_seconds": self._training_seconds,
            "best": self._best,
            "seconds": self.seconds,
            "done": self.done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned, bit for bit as if never stopped (the same machine provided)."""
        self._model.load_state_dict(state["model"])
        self._passes, self._within, self._first = state["passes"], state["within"], state["first"]
        self._drawn_from = state["drawn_from"]
        if self._within:
            # the task draws the pass's data again, from where it drew them
            self._data.bit_generator.state = self._drawn_from
            self._task.begin_pass(self._data)
            self._learner.begin_pass()
        self._data.bit_generator.state = state["data"]
        self._learner.load_state_dict(state["learner"])
        self._pass_loss, self._training_seconds = state["pass_loss"], state["training_seconds"]
        self._best, self.seconds, self.done = state["best"], state["seconds"], state["done"]
