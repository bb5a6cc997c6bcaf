"""Online learning: one update at the end of each segment, the state carried on."""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from artbp_exp.backprop import State
from artbp_exp.estimators.gradient import Estimator
from artbp_exp.estimators.tally import Tally
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.truncation import Scheme

Tick = Callable[[int], object]


class Learner(Protocol):
    """Trains a model segment by segment.

    Attributes:
        tally: what it counted so far.
        engine: the engine in use, `auto` resolved.
    """

    tally: Tally
    engine: str

    def begin_pass(self) -> None:
        """Goes back to the start of the sequence and to the initial state."""

    def advance(self, until: int, tick: Tick) -> None:
        """Trains until at least step `until` of this pass is done, or the run has diverged.

        Args:
            until: a step of the pass, at most the task's `steps`. Segments are not cut short for it: only the
                end of the pass ends one without a draw.
            tick: told the number of steps of each segment, or of several, for a progress bar.
        """


class OnlineLearner:
    """The general learner: any model, task, scheme and optimiser."""

    def __init__(
        self,
        *,
        model: RecurrentModel,
        task: Task,
        scheme: Scheme,
        estimator: Estimator,
        updater: Updater,
        cuts: np.random.Generator,
    ) -> None:
        self.tally = Tally()
        self.engine = estimator.engine
        self._model = model
        self._task = task
        self._scheme = scheme
        self._estimator = estimator
        self._updater = updater
        self._cuts = cuts
        self._position = 0
        self._state: State | None = None

    def begin_pass(self) -> None:
        """Goes back to the start of the sequence and to the initial state."""
        self._position = 0
        self._state = None

    def advance(self, until: int, tick: Tick) -> None:
        """See `Learner.advance`."""
        model, task = self._model, self._task
        while self._position < until and not self.tally.diverged:
            length = self._scheme.draw(self._cuts, task.steps - self._position)
            inputs, targets = task.window(self._position, self._position + length)
            if self._state is None or not task.carry_state:
                self._state = model.init_state(task.batch_size)
            self._updater.clear()
            result = self._estimator(
                loss=task.loss,
                inputs=inputs,
                targets=targets,
                state=self._state,
                segment=self._scheme.segment(length),
            )
            self._state = result.state
            self._position += length
            self.tally.add(result.loss, length, task.divergence)
            if not self.tally.diverged:
                # a diverged gradient would only spoil the last parameters that still meant something
                self._updater.update(self.tally.step)
            tick(length)
