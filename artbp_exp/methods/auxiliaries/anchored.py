"""What the auxiliary losses of Trinh et al. (2018) share: anchors, a decoder, and where their gradient is cut off."""

import math
from abc import abstractmethod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss, one_hot

from artbp_exp import checks
from artbp_exp.autograd import detach
from artbp_exp.errors import UserError
from artbp_exp.methods.base import Auxiliary, Run
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task


class Anchored(Auxiliary):
    """weight · mean over anchors a of the loss of a decoder on l inputs near a: a GRU with an affine read-out.

    The anchors are drawn anew for each segment, uniformly from those whose l inputs lie within it, and are shared by
    its streams. The states near an anchor are computed a second time, from a detached state `truncate` steps before it:
    the gradient goes no further back, however long the segment is. In the decoder it goes back `truncate` steps, too.
    Of symbols the loss is the cross-entropy in nats, of real inputs the squared error; a mean over steps and streams.

    Args:
        length: l, in steps.
        weight: of the loss, beside the task's, which is summed over the steps of a segment; 0 is no loss at all.
        anchors: how many are drawn for a segment.
        truncate: steps that its gradient goes back, before the anchor and in the decoder.
        model: whose states the decoder reads, (B, H).
        generator: of the decoder's initial weights, uniform in ±1/√H.
        rng: of the anchors, and of nothing else.
        task: whose inputs are symbols, (n, B) whole numbers below its `vocabulary`, or vectors, (n, B, F).

    Raises:
        UserError: a value out of range, or a task without inputs.
    """

    def __init__(
        self,
        *,
        length: int = 12,
        weight: float = 1.0,
        anchors: int = 1,
        truncate: int = 16,
        model: RecurrentModel,
        generator: torch.Generator,
        rng: np.random.Generator,
        task: Task,
    ) -> None:
        super().__init__()
        self.name = type(self).__name__.lower()
        self._length = checks.whole("auxiliary.length", length, at_least=1)
        self._anchors = checks.whole("auxiliary.anchors", anchors, at_least=1)
        checks.in_memory("auxiliary.anchors", self._anchors, 2 * self._anchors, what="their places", instead="fewer")
        self._truncate = checks.whole("auxiliary.truncate", truncate, at_least=1)
        self.weight = checks.number("auxiliary.weight", weight, at_least=0)
        self._rng = rng
        self.least = self._length + 1
        inputs, _ = task.window(0, 1)
        self._width = inputs.shape[2] if inputs.is_floating_point() else task.shapes["vocabulary"]
        if not self._width:
            raise UserError(f"auxiliary={self.name} needs inputs, and this task has none; take auxiliary=none")
        with torch.no_grad():
            output, _ = model.step(model.encode(inputs)[0], model.init_state(inputs.shape[1]))
        hidden = output.shape[1]
        self.decoder = nn.GRU(self.reads(hidden, self._width), hidden)
        self.readout = nn.Linear(hidden, self._width)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.uniform_(-1 / math.sqrt(hidden), 1 / math.sqrt(hidden), generator=generator)

    @abstractmethod
    def reads(self, hidden: int, width: int) -> int:
        """Size of what the decoder reads at a step: of a state `hidden`, of an input `width`."""

    @abstractmethod
    def places(self, steps: int) -> tuple[int, int]:
        """The least and the greatest anchor in a segment of `steps` steps, counted from 1."""

    @abstractmethod
    def at(self, anchor: int, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """The loss at one anchor, not weighted."""

    def forward(self, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """See `Auxiliary.forward`."""
        least, greatest = self.places(len(inputs))
        anchors = self._rng.integers(least, greatest + 1, size=self._anchors).tolist()
        return self.weight * torch.stack([self.at(anchor, run, state, inputs) for anchor in anchors]).mean()

    def states(self, anchor: int, until: int, run: Run, state: Any, inputs: Tensor) -> Tensor:
        """h_a … h_until, h_t having read the first t inputs; a graph that begins `truncate` steps before h_a."""
        begin = max(anchor - self._truncate, 0)
        if begin:
            with torch.no_grad():
                _, state = run(inputs[:begin], state)
        outputs, _ = run(inputs[begin:until], detach(state))
        return outputs[anchor - 1 - begin :]

    def decoded(self, read: Tensor, hidden: Tensor | None, wanted: Tensor) -> Tensor:
        """Loss of the inputs `wanted` (l, B, …), where the decoder reads `read` (l, B, …) from the state `hidden`."""
        outputs = []
        start = None if hidden is None else hidden[None]
        for part in read.split(self._truncate):
            output, last = self.decoder(part, start)
            outputs.append(output)
            start = last.detach()
        predictions = self.readout(torch.cat(outputs))
        if wanted.is_floating_point():
            return mse_loss(predictions, wanted.to(predictions.dtype))
        return cross_entropy(predictions.flatten(0, 1), wanted.flatten())

    def vectors(self, inputs: Tensor) -> Tensor:
        """Inputs as the decoder reads them: symbols as one-hot vectors."""
        known = inputs if inputs.is_floating_point() else one_hot(inputs, self._width)
        return known.to(self.readout.weight.dtype)

    def get_extra_state(self) -> dict[str, Any]:
        """Where the stream of the anchors stands: part of a checkpoint."""
        return dict(self._rng.bit_generator.state)

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Goes on from there."""
        self._rng.bit_generator.state = state
