"""Runs the body of a user's training loop over a short sequence, with cuts that are prescribed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import detach, leaves, map_state
from artbp_exp.autograd.random_states import RandomStates, drawn
from artbp_exp.errors import UserError
from artbp_exp.training.gradient import Gradients
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.verification.float64_mode import raised, real
from artbp_exp.verification.module_snapshot import Kept
from artbp_exp.verification.probe import Script

SegmentLoss = Callable[[int, Segment, Any], tuple[Tensor, Any]]

BACKWARD = "segment_loss calls backward: leave that to your loop, and to artbp.verify; return the loss alone"


@dataclass(frozen=True, kw_only=True)
class Pass:
    """What came of one pass over the sequence.

    Attributes:
        gradient: of each parameter, summed over segments; (…, 2) of a complex one, its two parts.
        loss: summed over segments.
        weighted: the same, each segment's loss times its steps.
        state: tensors of the last state, detached.
        attached: whether a state was handed on that a gradient would flow through.
    """

    gradient: Gradients
    loss: float
    weighted: float
    state: list[Tensor]
    attached: bool


class Body:
    """A user's loop over `steps` steps of a user's data, at fixed parameters.

    Args:
        segment_loss: (start, segment, state) → (loss, next state).
        parameters: by name.
        state: before the first step.
        scheme: of the cuts.
        steps: T.
        kept: what a module keeps from call to call; every pass begins with what it was in the beginning.
        padding: name of an embedding's weights → the row that never learns.
    """

    def __init__(
        self,
        *,
        segment_loss: SegmentLoss,
        parameters: Gradients,
        state: Any,
        scheme: Scheme,
        steps: int,
        kept: Kept,
        padding: Mapping[str, int],
    ) -> None:
        self.segment_loss, self.parameters, self.scheme, self.steps = segment_loss, parameters, scheme, steps
        self.padding = padding
        self._state, self._kept = state, kept
        self._streams = RandomStates(parameters.values())

    def first(self, number: float) -> int:
        """Length of the first segment that the scheme draws when the stream of cuts says `number`."""
        script: Any = Script()
        script.prescribe([number])
        return self.scheme.draw(script, self.steps)

    def drawn(self, numbers: Sequence[float]) -> list[tuple[int, Segment]]:
        """(start, segment) of each that a training loop is handed when the stream of cuts says `numbers`."""
        script: Any = Script()
        script.prescribe(numbers)
        # one of no steps would never come to an end
        return list(islice(self.scheme.segments(self.steps, script), self.steps + 1))

    def uncut(self) -> Pass:
        """The whole sequence as one segment with factors 1: full BPTT by the user's own code."""
        return self.follow([plain(self.steps)])

    def recomputed(self) -> Pass:
        """The same with gradient checkpointing: no more than a third of the steps is stored at a time."""
        return self.follow([replace(plain(self.steps), memory=max(1, self.steps // 3))])

    def cut(self, pattern: Sequence[int]) -> Pass:
        """Segments of these lengths, with the scheme's factors."""
        return self.follow([self.scheme.segment(length) for length in pattern])

    def follow(self, segments: Sequence[Segment]) -> Pass:
        """The gradient, and what else there is to compare, of one pass.

        Raises:
            UserError: what `segment_loss` returns is no loss and state, or has no gradient, or is not finite.
        """
        total: Gradients = {name: torch.zeros_like(p, requires_grad=False) for name, p in self.parameters.items()}
        loss, weighted, attached, start = 0.0, 0.0, False, 0
        state = self._begin()
        for segment in segments:
            value, state = self._run(start, segment, state)
            for name, gradient in zip(self.parameters, self._backward(value), strict=True):
                if gradient is not None:
                    total[name] += gradient.detach()
            number = _number(value)
            loss += number
            weighted += number * segment.length
            attached = attached or any(leaf.requires_grad for leaf in leaves(state))
            start += segment.length
        if not all(bool(gradient.isfinite().all()) for gradient in total.values()):
            raise UserError("the gradient at these parameters is not finite: there is nothing to compare")
        gradients = {name: real(gradient) for name, gradient in total.items()}
        return Pass(gradient=gradients, loss=loss, weighted=weighted, state=leaves(detach(state)), attached=attached)

    def value(self) -> float:
        """The loss of the whole sequence, uncut."""
        return _number(self._run(0, plain(self.steps), self._begin())[0])

    def _begin(self) -> Any:
        self._kept.put_back()
        # copies: a loop may change its state in place
        return map_state(lambda tensor: raised(tensor.detach().clone()), self._state)

    def _backward(self, loss: Tensor | float) -> Sequence[Tensor | None]:
        if not isinstance(loss, Tensor) or not loss.requires_grad:  # a segment without a loss
            return [None] * len(self.parameters)
        # kept: where a state is not detached, the next segment's backward comes through here once more
        try:
            return torch.autograd.grad(loss, list(self.parameters.values()), retain_graph=True, allow_unused=True)
        except RuntimeError as error:
            if "a second time" in str(error):
                raise UserError(BACKWARD) from error
            raise

    def _run(self, start: int, segment: Segment, state: Any) -> tuple[Tensor | float, Any]:
        before = self._streams.states()
        try:
            found = self.segment_loss(start, segment, state)
        except Exception as error:
            error.add_note(
                f"artbp.verify called segment_loss({start}, a segment of {segment.length} steps, state), in float64; "
                f"it needs data for {self.steps} steps, and does with them what torch's functions do"
            )
            raise
        random = drawn(before, self._streams.states())
        if random:
            raise UserError(
                f"segment_loss is random (it draws from the global stream of {' and '.join(random)}), and ways to cut "
                f"cannot be compared then; if it is dropout, put that in eval mode while you verify, and nothing else "
                f"(for part in model.modules(): if isinstance(part, nn.Dropout): part.eval()); a mask that several "
                f"steps share must be drawn once a sequence, as one for each segment is biased"
            )
        if any(parameter.grad is not None for parameter in self.parameters.values()):
            raise UserError(BACKWARD)
        return self._checked(found, whole=segment.length == self.steps)

    def _checked(self, found: Any, *, whole: bool) -> tuple[Tensor | float, Any]:
        """Loss and state. Of the `whole` sequence the loss must have a gradient; a segment of it may have no loss."""
        if not isinstance(found, tuple) or len(found) != 2:
            raise UserError(f"segment_loss must return (loss, next state); got {type(found).__name__}")
        loss, state = found
        if not whole and isinstance(loss, int | float):  # the sum of no losses
            return float(loss), state
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            got = f"shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise UserError(f"the loss that segment_loss returns must be a tensor of one number; got {got}")
        if loss.is_complex():
            raise UserError("the loss that segment_loss returns is complex: it must be a real number")
        if whole and not loss.requires_grad:
            raise UserError(
                "the loss that segment_loss returns for the whole sequence has no gradient: do not detach it"
            )
        if not loss.isfinite().all():
            raise UserError(f"the loss at these parameters is {loss.item()}: there is no gradient to compare")
        return loss.reshape(()), state


def _number(loss: Tensor | float) -> float:
    return float(loss.item()) if isinstance(loss, Tensor) else loss


def plain(steps: int, *, without: int | None = None) -> Segment:
    """A segment with factors 1; with factor 0 after step `without`, which stops the gradient there as a cut does."""
    factors = np.ones(steps - 1)
    if without is not None:
        factors[without - 1] = 0.0
    return Segment(length=steps, factors=factors)
