"""Synthetic gradients: a head that guesses the gradient itself."""

from typing import Any

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.methods.boundaries.head import Head
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class DNI(Head):
    """b = scale·y(s), regressed on the gradient that arrives at a segment's start (Jaderberg et al. 2017).

    That gradient holds what stood at the segment's own end, b(s_end), as a number: with truncated BPTT, temporal
    differences of gradients. As a control variate b has targets that are right in the mean, whatever b is.
    """

    def __init__(self, *, scale: float, **settings: Any) -> None:
        super().__init__(name="dni", outputs=None, **settings)
        self._scale = checks.number("boundary.scale", scale, above=0)

    def guess(self, place: Any) -> list[Tensor]:
        """See `Boundary.guess`."""
        with torch.no_grad():
            return self.parts(self._scale * self(place))

    def learn(self, state: Any, arrived: list[Tensor], losses: Tensor | None, last: Any) -> None:
        """½‖b(s_start) − arrived‖², averaged over streams."""
        wanted = torch.cat([gradient.flatten(1) for gradient in arrived], 1)
        (0.5 * (self._scale * self(state) - wanted).square().sum(1).mean()).backward()


def build(
    *,
    hidden_size: int = 32,
    scale: float = 0.1,
    context: str = "none",
    lr: float = 1e-3,
    model: RecurrentModel,
    task: Task,
    generator: torch.Generator,
) -> DNI:
    """A gradient head.

    Args:
        hidden_size: of its one hidden layer.
        scale: of its output.
        context: `input` shows it the next input, too.
        lr: learning rate of its Adam.
        model: whose state it reads.
        task: whose inputs.
        generator: the stream of initial weights.

    Raises:
        UserError: a value out of range.
    """
    return DNI(
        hidden_size=hidden_size, scale=scale, context=context, lr=lr, model=model, task=task, generator=generator
    )
