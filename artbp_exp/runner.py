"""Trains and yields rows of metrics. Knows no Hydra, no files and no plots, and no method, task or model by name."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from artbp_exp.estimators import Learner
from artbp_exp.estimators.learner import Tick
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Progress, Task


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of metrics.

    Attributes:
        row: values for the task's columns, None where there is none.
        best: whether the model is the best so far by the task's score (or the last one, where there is none).
        status: `running`, and in the last record `finished` or `diverged`.
    """

    row: dict[str, Any]
    best: bool
    status: str


def train(
    *,
    task: Task,
    model: RecurrentModel,
    learner: Learner,
    data: np.random.Generator,
    tick: Tick = lambda steps: None,
) -> Iterator[Record]:
    """Trains `model` on `task` with `learner`, online, and yields a record whenever a row is due.

    Divergence is a result: the last record then has status `diverged`, and training stops.

    Args:
        task: built by `registry.build("task", …)`.
        model: what `learner` trains, for the task to read and evaluate.
        learner: from `make_learner`; the method and the optimiser are in it.
        data: random stream of the data.
        tick: told the number of steps done since it was last called.
    """
    began = time.perf_counter()
    marks = task.marks()
    best = float("inf")
    for index in range(task.passes):
        task.begin_pass(data)
        learner.begin_pass()
        first = learner.tally.step
        pass_loss, training_seconds = 0.0, 0.0
        due = [mark - first for mark in marks if 0 < mark - first < task.steps]
        for until in [*due, task.steps]:
            done = learner.tally.step - first
            if until <= done < task.steps:
                continue  # the last segment went beyond this mark: its row is written already
            started = time.perf_counter()
            learner.advance(until, tick)
            training_seconds += time.perf_counter() - started
            tally = learner.tally
            done = tally.step - first
            pass_loss += tally.loss
            finished = done == task.steps
            row = task.row(
                Progress(
                    step=tally.step,
                    passes=index + finished,
                    at_pass_end=finished and not tally.diverged,
                    loss=tally.mean_loss(),
                    pass_loss=pass_loss / done,
                    segments=tally.segments,
                    mean_length=tally.mean_length,
                    max_length=tally.max_length,
                    training_seconds=training_seconds,
                    pass_steps=done,
                    seconds=time.perf_counter() - began,
                ),
                model,
            )
            tally.restart()
            score = task.score(row)
            last = tally.diverged or (finished and index + 1 == task.passes)
            improved = score is not None and score < best
            best = score if score is not None and improved else best
            status = "diverged" if tally.diverged else "finished" if last else "running"
            # with nothing to select by (or nothing selected yet) the last model is the one to keep
            keep = improved or (last and best == float("inf"))
            yield Record(row=row, best=keep, status=status)
            if last:
                return
            if finished:
                break
