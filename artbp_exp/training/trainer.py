"""Trains and yields rows of metrics. Knows no Hydra, no files and no plots, and no method, task or model by name."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp.autograd.state import fill, flatten
from artbp_exp.methods.base import Draw
from artbp_exp.optimizers.base import Updater
from artbp_exp.tasks.base import Progress
from artbp_exp.training.gradient import TaskLoop

BURST = 256
"""Segments between two looks at the clock where a method makes its updates itself: a few milliseconds."""

Tick = Callable[[int], object]
"""Told the number of steps done since it was last called, for a progress bar."""

Pause = Callable[[], bool]
"""Asked at segment boundaries whether to stop there."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One row of metrics.

    Attributes:
        row: values for the task's columns and the method's, None where there is none.
        best: whether the model is the best so far by the task's score (or the last one, where there is none).
        pass_end: whether a pass ends here.
    """

    row: dict[str, Any]
    best: bool
    pass_end: bool = False


class Trainer:
    """Walks the draws of a method, with one update after each; stops at any of them and goes on from there.

    `trainables` are `model`, and whatever else learns beside it; `cuts` and `data` are the random streams of the draws
    and of the data.

    Attributes:
        progress: how far it has come.
    """

    def __init__(
        self,
        *,
        loop: TaskLoop,
        trainables: nn.ModuleDict,
        updater: Updater,
        cuts: np.random.Generator,
        data: np.random.Generator,
    ) -> None:
        self.progress = Progress()
        self._loop, self._task, self._trainables, self._updater = loop, loop.task, trainables, updater
        self._model: Any = trainables["model"]
        self._cuts, self._data = cuts, data
        self._burst: Any = getattr(loop.method, "burst", None) if updater.plain else None
        self._drawn_from: dict[str, Any] = {}  # the data's stream as it was when the pass began
        self._carry: Any = None
        self._draws: Iterator[tuple[int, Draw]] = iter(())

    @property
    def done(self) -> bool:
        """Whether the run has its result."""
        return self.progress.diverged or self.progress.passes == self._task.passes

    @property
    def columns(self) -> tuple[str, ...]:
        """Of `metrics.csv`: the task's, then the method's."""
        return (*self._task.columns, *self._loop.method.columns)

    def run(self, *, tick: Tick = lambda steps: None, pause: Pause = lambda: False) -> Iterator[Record]:
        """Trains, and yields a record whenever a row is due, until the run is done or `pause` returns true.

        Divergence is a result: `progress.diverged` says so, and training stops. After a pause
        another call goes on. At each record and after a pause, `state_dict` holds all that is to come.
        `tick` and `pause` are called after each update, or after several.
        """
        task, progress = self._task, self.progress
        began = time.perf_counter() - progress.seconds
        due = [mark for mark in task.marks() if mark < task.steps]
        while not self.done:
            if progress.at_pass_end:
                self._begin_pass()
            for until in [*due, task.steps]:
                if until <= progress.pass_steps < task.steps:
                    continue  # the last segment went beyond this mark: its row is written already
                started = time.perf_counter()
                asked = self._train(until, tick, pause)
                progress.training_seconds += time.perf_counter() - started
                progress.seconds = time.perf_counter() - began
                if progress.pass_steps < until and not progress.diverged:
                    return
                yield self._record(began)
                if asked:
                    return  # after the update that ended at this row
                if self.done or progress.at_pass_end:
                    break

    def _begin_pass(self) -> None:
        self._drawn_from = dict(self._data.bit_generator.state)
        self._task.begin_pass(self._data)
        self.progress.begin_pass()
        self._carry = self._loop.begin()
        self._draws = self._loop.draws(self._cuts)

    def _train(self, until: int, tick: Tick, pause: Pause) -> bool:
        """Trains until at least step `until` of the pass, divergence or a pause. Returns whether `pause` asked for one.

        A segment is not cut short for a row of metrics: only the end of the pass ends one without a draw.
        """
        progress, asked = self.progress, False
        while progress.pass_steps < until and not progress.diverged and not asked:
            before = progress.step
            if self._burst is not None:
                self._many(until)
            else:
                self._one()
            tick(progress.step - before)
            asked = pause()
        return asked

    def _one(self) -> None:
        start, draw = next(self._draws)
        self._updater.clear()
        loss, self._carry = self._loop.advance(start, draw, self._carry)
        self.progress.add(loss, draw.length, self._task.divergence)
        if not self.progress.diverged:
            # a diverged gradient would only spoil the last parameters that still meant something
            self._updater.update(self.progress.step, draw.length)

    def _many(self, until: int) -> None:
        self._carry = self._burst(
            self._carry,
            steps=self._task.steps,
            until=until,
            most=BURST,
            rng=self._cuts,
            updater=self._updater,
            progress=self.progress,
            limit=self._task.divergence,
        )

    def _record(self, began: float) -> Record:
        """The record that is due; leaves the trainer as the next draw needs it."""
        task, progress = self._task, self.progress
        finished = progress.pass_steps == task.steps
        progress.passes += finished
        progress.at_pass_end = finished and not progress.diverged
        progress.seconds = time.perf_counter() - began
        row = task.row(progress, self._model) | self._loop.method.row()
        progress.begin_row()
        progress.seconds = time.perf_counter() - began
        score = task.score(row)
        improved = score is not None and score < progress.best_score
        if score is not None and improved:
            progress.best_score = score
        # with nothing to select by (or nothing selected yet) the last model is the one to keep
        keep = improved or (self.done and progress.best_score == math.inf)
        return Record(row=row, best=keep, pass_end=progress.at_pass_end)

    def state_dict(self) -> dict[str, Any]:
        """All that the rest of the run depends on: parameters, optimiser, streams, counts; tensors and plain values."""
        return {
            "trainables": self._trainables.state_dict(),
            "updater": self._updater.state_dict(),
            "carry": flatten(self._carry),
            "method": self._loop.method.state_dict(),
            "cuts": self._cuts.bit_generator.state,
            "data": self._data.bit_generator.state,
            "drawn_from": self._drawn_from,
            "progress": asdict(self.progress),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned, bit for bit as if never stopped (the same machine provided)."""
        self._trainables.load_state_dict(state["trainables"])
        self._updater.load_state_dict(state["updater"])
        vars(self.progress).update(state["progress"])
        self._drawn_from = state["drawn_from"]
        if not self.progress.at_pass_end:
            # the task draws the pass's data again, from where it drew them
            self._data.bit_generator.state = self._drawn_from
            self._task.begin_pass(self._data)
        self._data.bit_generator.state = state["data"]
        self._cuts.bit_generator.state = state["cuts"]
        self._loop.method.load_state_dict(state["method"])
        begun = self._loop.begin()
        self._carry = fill(
            begun, [_like(value, leaf) for value, leaf in zip(state["carry"], flatten(begun), strict=True)]
        )
        self._draws = self._loop.draws(self._cuts, start=self.progress.pass_steps)


def _like(value: Any, leaf: Any) -> Any:
    """A leaf of a checkpoint, on the device and in the dtype of the one it stands for."""
    if not isinstance(leaf, Tensor):
        return value
    with torch.no_grad():
        return leaf.new_empty(value.shape).copy_(value)  # a state may have grown
