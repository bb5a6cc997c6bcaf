"""The past must be recoverable from the state: the r-LSTM of Trinh et al. (2018, arXiv 1803.00144)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.methods.auxiliaries.anchored import Anchored
from artbp_exp.methods.base import Run
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class Reconstruct(Anchored):
    """The decoder begins at h_a and produces x_{a−l} … x_{a−1}; it may be told each of them after the fact."""

    told = True

    def reads(self, hidden: int, width: int) -> int:
        """The input that it was to produce a step before."""
        return width

    def places(self, steps: int) -> tuple[int, int]:
        """a − l ≥ 1 and a ≤ n."""
        return self._length + 1, steps

    def at(self, anchor: int, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """See `Anchored.at`."""
        (hidden,) = self.states(anchor, anchor, run, state, inputs)
        wanted = inputs[anchor - 1 - self._length : anchor - 1]
        read = self.vectors(wanted).roll(1, 0)
        read[0 if self.told else slice(None)] = 0
        return self.decoded(read, hidden, wanted)


def build(
    *,
    length: int = 12,
    weight: float = 1.0,
    anchors: int = 1,
    truncate: int = 16,
    teacher_forcing: bool = True,
    model: RecurrentModel,
    generator: torch.Generator,
    rng: np.random.Generator,
    task: Task,
) -> Reconstruct:
    """The l inputs before an anchor, from the state there; `Anchored` explains the settings that both losses have.

    With `teacher_forcing` the decoder reads the true inputs that it has been asked for; without, it has h_a alone.
    """
    made = Reconstruct(
        length=length,
        weight=weight,
        anchors=anchors,
        truncate=truncate,
        model=model,
        generator=generator,
        rng=rng,
        task=task,
    )
    made.told = checks.flag("auxiliary.teacher_forcing", teacher_forcing)
    return made
