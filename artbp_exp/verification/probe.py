"""Asks the method that trains for its gradient at a fixed θ, with cuts that are prescribed or drawn."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from artbp_exp.errors import UserError
from artbp_exp.methods import Method, segment_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.training.gradient import Gradients, TaskLoop, gradient
from artbp_exp.truncation import Scheme

Make = Callable[..., Method]


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
    """The gradient of one pass over a task, at the model's parameters, by the method that a run would train with.

    Args:
        engine: as in a run.
        model: at θ; neither its parameters nor the task's data change.
        task: of which one pass is read.
        scheme: the truncation scheme.
        make: builds the method; the project's own unless something else is to be tested.
        autocast: dtype of the matrix products, as in a run; None computes all in the model's dtype.
    """

    def __init__(
        self,
        *,
        engine: str,
        model: RecurrentModel,
        task: Task,
        scheme: Scheme,
        make: Make = segment_method,
        autocast: torch.dtype | None = None,
    ) -> None:
        self.model, self.task, self.scheme, self.autocast = model, task, scheme, autocast
        self.method = make(scheme=scheme, model=model, task=task, engine=engine, autocast=autocast)
        self._loop = TaskLoop(task=task, method=self.method, trainables=model)

    @property
    def engine(self) -> str:
        """The engine in use, `auto` resolved."""
        return self.method.engine

    def following(self, numbers: Sequence[float]) -> tuple[Gradients, Counter[int]]:
        """The gradient, summed over segments, when the stream of cuts says `numbers`; and the lengths that came out."""
        script: Any = Script()
        script.prescribe(numbers)
        return self._pass(script)

    def first(self, number: float) -> int:
        """Length of the first segment, in steps, when the stream of cuts says `number`."""
        script: Any = Script()
        script.prescribe([number])
        return next(self.method.draws(self.task.steps, script))[1].length

    def drawn(self, cuts: np.random.Generator, count: int) -> "Draws":
        """`count` gradients with cuts drawn from `cuts`, one after the other."""
        return Draws(self, cuts, count)

    def _pass(self, cuts: Any) -> tuple[Gradients, Counter[int]]:
        found = gradient(self._loop, (draw for _, draw in self.method.draws(self.task.steps, cuts)))
        if not math.isfinite(found.loss):
            raise UserError("the loss at these parameters is not finite: there is no gradient to measure")
        return found.gradient, Counter(found.lengths)


class Draws(Iterator[Gradients]):
    """Gradients with drawn cuts, to be looped over once; the lengths of the latest are in `lengths`."""

    def __init__(self, probe: Probe, cuts: np.random.Generator, count: int) -> None:
        self._probe, self._cuts, self._left = probe, cuts, count
        self.lengths: dict[int, int] = {}

    def __next__(self) -> Gradients:
        if self._left == 0:
            raise StopIteration
        self._left -= 1
        gradients, lengths = self._probe._pass(self._cuts)
        self.lengths = dict(lengths)
        return gradients
