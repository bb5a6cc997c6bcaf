"""Trains and yields rows of metrics. Knows no Hydra, no files and no plots, and no method, task or model by name."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp.autograd.state import fill, flatten
from artbp_exp.methods.base import Draw
from artbp_exp.optimizers.base import Updater
from artbp_exp.tasks.base import Progress
from artbp_exp.training.gradient import TaskLoop, model_of
from artbp_exp.training.tally import Tally

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
        status: `running`, and in the last record `finished` or `diverged`.
        pass_end: whether a pass ends here.
    """

    row: dict[str, Any]
    best: bool
    status: str
    pass_end: bool = False


class Trainer:
    """Walks the draws of a method, with one update after each; stops at any of them and goes on from there.

    Args:
        loop: the experiment's: task and method.
        trainables: `model`, and whatever else learns beside it.
        updater: the optimiser.
        cuts: random stream of the method's draws.
        data: random stream of the data.

    Attributes:
        tally: what was counted so far.
        done: whether the run has its result.
        seconds: trained so far, in this process and in those before it.
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
        self.tally = Tally()
        self.done = False
        self.seconds = 0.0
        self._loop, self._task, self._trainables, self._updater = loop, loop.task, trainables, updater
        self._cuts, self._data = cuts, data
        self._burst: Any = getattr(loop.method, "burst", None) if updater.plain else None
        self._best = float("inf")
        self._passes = 0  # whole ones
        self._within = False  # a pass has begun and not ended
        self._drawn_from: dict[str, Any] = {}  # the data's stream as it was when the pass began
        self._first = 0  # step of the run at which the pass began
        self._carry: Any = None
        self._draws: Iterator[tuple[int, Draw]] = iter(())
        self._pass_loss = 0.0
        self._training_seconds = 0.0

    @property
    def columns(self) -> tuple[str, ...]:
        """Of `metrics.csv`: the task's, then the method's."""
        return (*self._task.columns, *self._loop.method.columns)

    def run(self, *, tick: Tick = lambda steps: None, pause: Pause = lambda: False) -> Iterator[Record]:
        """Trains, and yields a record whenever a row is due, until the run is done or `pause` returns true.

        Divergence is a result: the last record then has status `diverged`, and training stops. After a pause
        another call goes on. At each record and after a pause, `state_dict` holds all that is to come.

        Args:
            tick: told the number of steps done since it was last called.
            pause: asked after each update, or after several.
        """
        began = time.perf_counter() - self.seconds
        task, tally = self._task, self.tally
        due = [mark for mark in task.marks() if mark < task.steps]
        while not self.done:
            if not self._within:
                self._begin_pass()
            first = self._first
            for until in [*due, task.steps]:
                if until <= tally.step - first < task.steps:
                    continue  # the last segment went beyond this mark: its row is written already
                started = time.perf_counter()
                asked = self._train(until, tick, pause)
                self._training_seconds += time.perf_counter() - started
                self.seconds = time.perf_counter() - began
                if tally.step - first < until and not tally.diverged:
                    return
                yield self._record(began)
                if asked:
                    return  # after the update that ended at this row
                if self.done or not self._within:
                    break

    def _begin_pass(self) -> None:
        self._drawn_from = dict(self._data.bit_generator.state)
        self._task.begin_pass(self._data)
        self._within = True
        self._first = self.tally.step
        self._carry = self._loop.begin()
        self._draws = self._loop.draws(self._cuts)
        self._pass_loss, self._training_seconds = 0.0, 0.0

    def _train(self, until: int, tick: Tick, pause: Pause) -> bool:
        """Trains until at least step `until` of the pass, divergence or a pause. Returns whether `pause` asked for one.

        A segment is not cut short for a row of metrics: only the end of the pass ends one without a draw.
        """
        asked = False
        while self.tally.step - self._first < until and not self.tally.diverged and not asked:
            before = self.tally.step
            if self._burst is not None:
                self._many(until)
            else:
                self._one()
            tick(self.tally.step - before)
            asked = pause()
        return asked

    def _one(self) -> None:
        start, draw = next(self._draws)
        self._updater.clear()
        loss, self._carry = self._loop.advance(start, draw, self._carry)
        self.tally.add(loss, draw.length, self._task.divergence)
        if not self.tally.diverged:
            # a diverged gradient would only spoil the last parameters that still meant something
            self._updater.update(self.tally.step, draw.length)

    def _many(self, until: int) -> None:
        self._carry = self._burst(
            self._carry,
            start=self.tally.step - self._first,
            steps=self._task.steps,
            until=until,
            most=BURST,
            rng=self._cuts,
            updater=self._updater,
            tally=self.tally,
            limit=self._task.divergence,
        )

    def _record(self, began: float) -> Record:
        """The record that is due; leaves the trainer as the next draw needs it."""
        task, tally = self._task, self.tally
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
                row_steps=tally.loss_steps,
                seconds=time.perf_counter() - began,
            ),
            model_of(self._trainables),
        )
        row |= self._loop.method.row()
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
            "trainables": self._trainables.state_dict(),
            "updater": self._updater.state_dict(),
            "carry": flatten(self._carry),
            "method": self._loop.method.state_dict(),
            "cuts": self._cuts.bit_generator.state,
            "data": self._data.bit_generator.state,
            "drawn_from": self._drawn_from,
            "tally": self.tally.state_dict(),
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
        self._trainables.load_state_dict(state["trainables"])
        self._updater.load_state_dict(state["updater"])
        self.tally.load_state_dict(state["tally"])
        self._passes, self._within, self._first = state["passes"], state["within"], state["first"]
        self._drawn_from = state["drawn_from"]
        if self._within:
            # the task draws the pass's data again, from where it drew them
            self._data.bit_generator.state = self._drawn_from
            self._task.begin_pass(self._data)
        self._data.bit_generator.state = state["data"]
        self._cuts.bit_generator.state = state["cuts"]
        self._loop.method.load_state_dict(state.get("method", {}))
        begun = self._loop.begin()
        self._carry = fill(
            begun, [_like(value, leaf) for value, leaf in zip(state["carry"], flatten(begun), strict=True)]
        )
        self._draws = self._loop.draws(self._cuts, start=self.tally.step - self._first)
        self._pass_loss, self._training_seconds = state["pass_loss"], state["training_seconds"]
        self._best, self.seconds, self.done = state["best"], state["seconds"], state["done"]


def _like(value: Any, leaf: Any) -> Any:
    """A leaf of a checkpoint, on the device and in the dtype of the one it stands for."""
    if not isinstance(leaf, Tensor):
        return value
    with torch.no_grad():
        return leaf.new_empty(value.shape).copy_(value)  # a state may have grown
