"""Asks the learner that trains for its gradient at a fixed θ, with cuts that are prescribed or drawn."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.training import make_learner
from artbp_exp.training.learner import Beat, Learner
from artbp_exp.truncation import Scheme

Gradients = dict[str, Tensor]
Make = Callable[..., Learner]


class Collector(Updater):
    """Stands in for the optimiser: adds the gradients up and leaves θ where it is. It never clips."""

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
    """Stands in for the stream of cuts: hands out prescribed numbers, and then one beyond every cut that may fail."""

    def __init__(self) -> None:
        self._numbers: list[float] = []

    def prescribe(self, numbers: Sequence[float]) -> None:
        """The numbers of the next pass, in order."""
        self._numbers = list(numbers)[::-1]

    def random(self) -> float:
        """What `numpy.random.Generator.random` would have had to return."""
        return self._numbers.pop() if self._numbers else 1.0 - 2.0**-53

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise UserError(f"a scheme must draw each segment with one rng.random(); this one asks for rng.{name}")


class Probe:
    """The gradient of one pass over a task, at the model's parameters, by the learner that a run would train with.

    Args:
        engine: as in a run.
        model: at θ; neither its parameters nor the task's data change.
        task: of which one pass is read.
        scheme: the truncation scheme.
        make: builds the learner; the project's own unless something else is to be tested.
        autocast: dtype of the matrix products, as in a run; None computes all in the model's dtype.
    """

    def __init__(
        self,
        *,
        engine: str,
        model: RecurrentModel,
        task: Task,
        scheme: Scheme,
        make: Make = make_learner,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.model, self.task, self.scheme, self.autocast = model, task, scheme, autocast
        self._parts: dict[str, Any] = {
            "engine": engine,
            "model": model,
            "task": task,
            "scheme": scheme,
            "autocast": autocast,
        }
        self._make = make
        self._script = Script()
        self._prescribed = self._learner(self._script)

    @property
    def engine(self) -> str:
        """The engine in use, `auto` resolved."""
        return self._prescribed[1].engine

    def following(self, numbers: Sequence[float]) -> tuple[Gradients, Counter[int]]:
        """The gradient, summed over segments, when the stream of cuts says `numbers`; and the lengths that came out."""
        self._script.prescribe(numbers)
        gradients = self._pass(self._prescribed)
        return gradients, self._prescribed[1].tally.lengths.copy()

    def first(self, number: float) -> int:
        """Length of the first segment, in steps, when the stream of cuts says `number`."""
        self._script.prescribe([number])
        # stops after that segment, where the learner asks; lengths are counted in the order they come
        self._pass(self._prescribed, beat=lambda steps: True)
        return next(iter(self._prescribed[1].tally.lengths))

    def drawn(self, cuts: np.random.Generator, count: int) -> "Draws":
        """`count` gradients with cuts drawn from `cuts`, one after the other."""
        return Draws(self, self._learner(cuts), count)

    def _learner(self, cuts: Any) -> tuple[Collector, Learner]:
        collector = Collector(self.model)
        generator = cast(np.random.Generator, cuts)
        return collector, self._make(updater=collector, cuts=generator, **self._parts)

    def _pass(self, pair: tuple[Collector, Learner], beat: Beat = lambda steps: None) -> Gradients:
        collector, learner = pair
        collector.restart()
        learner.tally.lengths.clear()
        learner.begin_pass()
        learner.advance(self.task.steps, beat)
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
