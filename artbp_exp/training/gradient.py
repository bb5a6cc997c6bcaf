"""The one seam for gradients: a loop at fixed parameters, and the gradient of given draws.

Training walks one draw of it after the other, with an update after each; verification sums it over all outcomes, each
with its probability; diagnosis takes many draws.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp.methods.base import Draw, Method
from artbp_exp.tasks.base import Task

Gradients = dict[str, Tensor]
"""Parameter → its gradient."""


def flat(gradients: Gradients) -> Tensor:
    """All parameters' gradients as one vector, float64."""
    return torch.cat([gradient.flatten().double() for gradient in gradients.values()])


class Loop(Protocol):
    """A training loop without its updates: the configured experiment, or a loop of a user's own.

    Attributes:
        parameters: by name; their `.grad` receives the gradient.
        steps: T, of one pass over its data.
    """

    @property
    def parameters(self) -> dict[str, Tensor]:
        """See above."""

    @property
    def steps(self) -> int:
        """See above."""

    def begin(self) -> Any:
        """What is carried before the first step of a pass."""

    def advance(self, start: int, draw: Draw, carry: Any) -> tuple[float, Any]:
        """Runs the `draw.length` steps from step `start` on, and *adds* their gradient to `.grad`.

        Returns:
            (the loss summed over these steps, what is carried on).
        """


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What came of one pass.

    Attributes:
        loss: summed over its steps.
        carry: what is carried after the last.
        gradient: parameter → its gradient, summed over the draws: its own `.grad`, zeros where it has none.
        lengths: of the draws, in steps.
    """

    loss: float
    carry: Any
    gradient: Gradients
    lengths: tuple[int, ...]


def gradient(loop: Loop, outcome: Iterable[Draw]) -> Pass:
    """Runs the draws of `outcome` one after the other at fixed parameters; leaves their summed gradient in `.grad`.

    Args:
        loop: whose parameters receive the gradient; what `.grad` held before is dropped.
        outcome: draws that cover the steps of a pass: `method.outcomes(T)` has every one with its probability,
            `method.draws(T, rng)` draws one.
    """
    for parameter in loop.parameters.values():
        parameter.grad = None
    carry, start, total, lengths = loop.begin(), 0, 0.0, []
    for draw in outcome:
        loss, carry = loop.advance(start, draw, carry)
        start += draw.length
        total += loss
        lengths.append(draw.length)
    filled = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in loop.parameters.items()}
    return Pass(loss=total, carry=carry, gradient=filled, lengths=tuple(lengths))


class TaskLoop:
    """The configured experiment as a loop: a method on a task's data.

    `trainables` is the model, or a `ModuleDict` of `model`, `boundary` and `auxiliary`.
    """

    def __init__(self, *, task: Task, method: Method, trainables: nn.Module) -> None:
        self.task, self.method = task, method
        self.parameters: dict[str, Tensor] = {
            name.removeprefix("model."): parameter for name, parameter in trainables.named_parameters()
        }

    @property
    def steps(self) -> int:
        """T, of one pass."""
        return self.task.steps

    def begin(self) -> Any:
        """The method's carried state before the first step."""
        return self.method.begin(self.task.batch_size)

    def draws(self, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        """The draws of a pass, those of one episode after the other: (the step at which it starts; the draw).

        `start` steps of the pass are done already, at the end of a draw.
        """
        while start < self.task.steps:
            begin = start - start % self.task.episode
            steps = min(self.task.episode, self.task.steps - begin)
            for at, draw in self.method.draws(steps, rng, start=start - begin):
                yield begin + at, draw
            start = begin + steps

    def advance(self, start: int, draw: Draw, carry: Any) -> tuple[float, Any]:
        """See `Loop.advance`. At the start of an episode all that is carried begins anew.

        So it does at every cut where the task does not carry the state.
        """
        task, stop = self.task, start + draw.length
        ends = stop % task.episode == 0 or stop == task.steps
        inputs, targets = task.window(start, stop + (self.method.looks_ahead and not ends))
        begins = start > 0 and start % task.episode == 0
        before = self.begin() if begins or not task.carry_state else carry
        return self.method.advance(before, draw, inputs, targets[: draw.length], task.loss, ends=ends)
