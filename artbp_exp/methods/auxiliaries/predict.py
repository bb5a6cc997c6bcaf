"""The states must foretell the inputs to come: the p-LSTM of Trinh et al. (2018, arXiv 1803.00144)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.methods.auxiliaries.anchored import Anchored
from artbp_exp.methods.base import Run
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class Predict(Anchored):
    """The decoder stands on top of the states: it reads h_a … h_{a+l−1} and produces x_{a+1} … x_{a+l}."""

    def reads(self, hidden: int, width: int) -> int:
        """A state."""
        return hidden

    def places(self, steps: int) -> tuple[int, int]:
        """a ≥ 1 and a + l ≤ n."""
        return 1, steps - self._length

    def at(self, anchor: int, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """See `Anchored.at`."""
        read = self.states(anchor, anchor + self._length - 1, run, state, inputs)
        return self.decoded(read, None, inputs[anchor : anchor + self._length])


def build(
    *,
    length: int = 12,
    weight: float = 1.0,
    anchors: int = 1,
    truncate: int = 16,
    model: RecurrentModel,
    generator: torch.Generator,
    rng: np.random.Generator,
    task: Task,
) -> Predict | None:
    """The l inputs after an anchor, from the states there; see `Anchored`. None at weight 0.

    Args:
        length: l, in steps.
        weight: of the loss.
        anchors: drawn for each segment.
        truncate: steps that its gradient goes back, before the anchor and in the decoder.
        model: whose states it reads.
        generator: of initial weights.
        rng: of the anchors.
        task: whose inputs they are.

    Raises:
        UserError: a value out of range, or a task without inputs.
    """
    if checks.number("auxiliary.weight", weight, at_least=0) == 0:
        return None
    return Predict(
        length=length,
        weight=weight,
        anchors=anchors,
        truncate=truncate,
        model=model,
        generator=generator,
        rng=rng,
        task=task,
    )
