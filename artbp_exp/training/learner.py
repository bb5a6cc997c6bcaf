"""Online learning: one update at the end of each segment, the state carried on."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch

from artbp_exp.autograd import State, leaves, map_state
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.training.segment_gradient import Estimator
from artbp_exp.training.tally import Tally
from artbp_exp.truncation import Scheme

Tick = Callable[[int], object]
"""Told the number of steps done since it was last called, for a progress bar."""

Beat = Callable[[int], bool | None]
"""A `Tick` that is called at segment boundaries, and may ask to stop there by returning true."""


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

    def advance(self, until: int, beat: Beat) -> None:
        """Trains until at least step `until` of this pass is done, the run has diverged, or `beat` asks to stop.

        Args:
            until: a step of the pass, at most the task's `steps`. Segments are not cut short for it: only the
                end of the pass ends one without a draw.
            beat: told the number of steps after each segment, or after several.
        """

    def state_dict(self) -> dict[str, Any]:
        """All that the next segment depends on but the model's parameters, as tensors and plain values."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from what `state_dict` returned, as if never stopped. The model's parameters are loaded before."""


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

    def advance(self, until: int, beat: Beat) -> None:
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
            if beat(length):
                return

    def state_dict(self) -> dict[str, Any]:
        """See `Learner.state_dict`."""
        return {
            "position": self._position,
            "state": None if self._state is None else leaves(self._state),
            "cuts": self._cuts.bit_generator.state,
            "tally": self.tally.state_dict(),
            "updater": self._updater.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Learner.load_state_dict`."""
        self._position = state["position"]
        self._state = None
        if state["state"] is not None:
            # the model says how its state is nested, the checkpoint only fills the tensors in
            kept = iter(state["state"])
            initial = self._model.init_state(self._task.batch_size)
            self._state = map_state(lambda tensor: torch.empty_like(tensor).copy_(next(kept)), initial)
        self._cuts.bit_generator.state = state["cuts"]
        self.tally.load_state_dict(state["tally"])
        self._updater.load_state_dict(state["updater"])
