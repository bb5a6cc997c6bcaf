"""Asks the learner that trains for its gradient at a fixed θ, with cuts that are prescribed or drawn."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.estimators import make_learner
from artbp_exp.estimators.learner import Learner
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.truncation import Scheme

Gradients = dict[str, Tensor]
Make = Callable[..., Learner]


class Collector(Updater):
    """Stands in for the optimiser: adds the gradients up and leaves θ where it is."""

    def __init__(self, model: RecurrentModel) -> None:
        self._named = dict(model.named_parameters())
        super().__init__(torch.optim.SGD(self._named.values(), lr=1.0), plain=True)
        self.restart()

    def restart(self) -> None:
        """Forgets the sum."""
        self.sums: Gradients = {name: torch.zeros_like(p, requires_grad=False) for name, p in self._named.items()}

    def update(self, step: int) -> None:
        """Adds the parameters' `.grad`."""
        for name, parameter in self._named.items():
            if parameter.grad is not None:
                self.sums[name] += parameter.grad

    def clipped(self, gradient: float) -> float:
        """Adds the gradient of the single parameter that a closed form hands over."""
        (total,) = self.sums.values()
        total += gradient
        return gradient

    def plain_rate(self, step: int) -> float:
        """0: θ stays."""
        return 0.0


class Script:
    """Stands in for the stream of cuts: makes `Scheme.draw` return the lengths of a given pattern.

    `draw` inverts P(length > n), so a number half way between its values at n − 1 and n gives n.
    """

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._lengths: list[int] = []

    def prescribe(self, lengths: Sequence[int]) -> None:
        """The lengths of the next pass, in order."""
        self._lengths = list(lengths)[::-1]

    def random(self) -> float:
        """What `numpy.random.Generator.random` would have had to return."""
        if not self._lengths:
            return 1.0 - 2.0**-53  # more draws than the pattern has segments: no further cut
        length = self._lengths.pop()
        above, below = self._scheme.survival(length)[-2:]
        return float(1.0 - 0.5 * (above + below))


class Probe:
    """The gradient of one pass over a task, at the model's parameters, by the learner that a run would train with.

    Args:
        engine: as in a run.
        model: at θ; neither its parameters nor the task's data change.
        task: of which one pass is read.
        scheme: the truncation scheme.
        make: builds the learner; the project's own unless something else is to be tested.
    """

    def __init__(
        self, *, engine: str, model: RecurrentModel, task: Task, scheme: Scheme, make: Make = make_learner
    ) -> None:
        self.model, self.task, self.scheme = model, task, scheme
        self._parts: dict[str, Any] = {"engine": engine, "model": model, "task": task, "scheme": scheme}
        self._make = make
        self._script = Script(scheme)
        self._prescribed = self._learner(self._script)

    def along(self, lengths: Sequence[int]) -> Gradients:
        """The gradient with the cuts of a pattern, summed over its segments."""
        self._script.prescribe(lengths)
        return self._pass(self._prescribed)

    def drawn(self, cuts: np.random.Generator, count: int) -> "Draws":
        """`count` gradients with cuts drawn from `cuts`, one after the other."""
        return Draws(self, self._learner(cuts), count)

    def _learner(self, cuts: Any) -> tuple[Collector, Learner]:
        collector = Collector(self.model)
        generator = cast(np.random.Generator, cuts)
        return collector, self._make(updater=collector, cuts=generator, **self._parts)

    def _pass(self, pair: tuple[Collector, Learner]) -> Gradients:
        collector, learner = pair
        collector.restart()
        learner.tally.lengths.clear()
        learner.begin_pass()
        learner.advance(self.task.steps, lambda steps: None)
        if learner.tally.diverged:
            raise UserError("the loss at these parameters is not finite: there is no gradient to measure")
        return collector.sums


class Draws:
    """Gradients with drawn cuts, to be looped over once; the lengths of the latest are in `lengths`."""

    def __init__(self, probe: Probe, pair: tuple[Collector, Learner], count: int) -> None:
        self._probe, self._pair, self._left = probe, pair, count
        self.lengths: dict[int, int] = {}

    def __iter__(self) -> "Draws":
        return self

    def __next__(self) -> Gradients:
        if self._left == 0:
            raise StopIteration
        self._left -= 1
        gradients = self._probe._pass(self._pair)
        self.lengths = dict(self._pair[1].tally.lengths)
        return gradients
