"""Truncated BPTT, ARTBP, full BPTT and random cuts: segments of a scheme, run by an engine, cut with a boundary."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import carry as carried
from artbp_exp.autograd import detach
from artbp_exp.autograd.checkpointing import checkpointed
from artbp_exp.autograd.engines import find_engine, find_trace
from artbp_exp.autograd.state import numbers
from artbp_exp.methods import baseline
from artbp_exp.methods.base import Auxiliary, Boundary, Claim, Draw, Loss, Method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.theory.stored_steps import stored_steps_within
from artbp_exp.theory.unbiased import can_cut, is_unbiased
from artbp_exp.truncation import Scheme, Segment


class SchemeMethod(Method):
    """Draws the segments of a truncation scheme and carries the model's state, however it runs the segments.

    With `resets` each segment starts from the initial state (`task.carry_state=false`), as a sequence of its own.
    """

    scheme: Scheme
    resets: bool = False

    def __init__(self, *, model: RecurrentModel, scheme: Scheme) -> None:
        self.name, self.scheme, self._model = scheme.name, scheme, model

    def begin(self, batch_size: int) -> Any:
        """The model's initial state."""
        return self._model.init_state(batch_size)

    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Draw]]:
        """The scheme's segments, as the library hands them out."""
        return self.scheme.segments(steps, rng, start=start)

    def outcomes(self, steps: int) -> Iterator[tuple[tuple[Draw, ...], float]]:
        """Every way to cut the sequence."""
        return self.scheme.outcomes(steps)

    def claim(self, steps: int) -> Claim:
        """Exact where every cut that can fall is compensated and keeps the state, and the model makes none itself."""
        whole = self._model.truncate is None or self._model.truncate >= steps
        carried = not self.resets or not can_cut(self.scheme, steps)
        return Claim.EXACT if whole and carried and is_unbiased(self.scheme, steps) else Claim.BIASED

    def stored_numbers(self, steps: int) -> float:
        """The states of the mean number of stored steps."""
        return stored_steps_within(self.scheme, steps) * numbers(self._model.init_state(1))


class Window(NamedTuple):
    """What came of some steps of a segment: scalars to differentiate, summed over them, and numbers to report.

    Attributes:
        loss: the task's.
        control: what the boundary adds where nothing was cut, see `baseline`.
        by_stream: the task's loss of each stream, (B,), without history.
    """

    loss: Tensor
    control: Tensor | None
    by_stream: Tensor | None


class SegmentMethod(SchemeMethod):
    """Backpropagates a segment at a time; the gradient that is carried on inside it is multiplied by its factors.

    δ_t = ∂ℓ_t/∂s_t + factor_t · δ_{t+1} ∂F/∂s(x_{t+1}, s_t) inside a segment (Tallec & Ollivier 2017, arXiv 1705.08209,
    eq. 11), and δ_n = ∂ℓ_n/∂s_n at its end; `baseline` says what a boundary adds to both. With the factors of an ARTBP
    scheme the sum over a sequence's segments has the full gradient as its mean, with and without a boundary.

    Args:
        model: receives the gradient.
        scheme: where to cut, and what is carried on; its `memory` bounds what is stored, at the same gradient.
        engine: see `autograd.engines`.
        autocast: dtype of the matrix products in mixed precision; None computes all in the model's dtype.
        boundary: what stands at a cut, and is the control variate where nothing was cut.
        auxiliary: a further loss.

    Raises:
        UserError: an unknown engine, or one that the model does not have, or not with this boundary and scheme.
    """

    def __init__(
        self,
        *,
        model: RecurrentModel,
        scheme: Scheme,
        engine: str = "auto",
        autocast: torch.dtype | None = None,
        boundary: Boundary | None = None,
        auxiliary: Auxiliary | None = None,
    ) -> None:
        super().__init__(model=model, scheme=scheme)
        if boundary is not None and baseline.compensates(scheme):
            self.engine, self._run = find_trace(engine, model)
        else:
            self.engine, run = find_engine(engine, model)
            self._run = lambda inputs, state, segment: _untraced(*run(inputs, state, segment))
        self._autocast = autocast
        self._boundary, self._auxiliary = boundary, auxiliary
        self.looks_ahead = boundary is not None and boundary.context

    def claim(self, steps: int) -> Claim:
        """As the scheme's; with an auxiliary loss it is not the task's gradient that is estimated."""
        return super().claim(steps) if self._auxiliary is None else Claim.BIASED

    def advance(
        self, carry: Any, draw: Draw, inputs: Tensor, targets: Tensor, loss: Loss, *, ends: bool
    ) -> tuple[float, Any]:
        """See `Method.advance`. A segment without a loss adds nothing."""
        segment = draw if isinstance(draw, Segment) else self.scheme.segment(draw.length)
        boundary, n = self._boundary, segment.length
        state = carry if boundary is None else baseline.asking(carry)
        found, last = checkpointed(self._windows(segment, inputs, targets, loss), state, segment, owner=self._model)
        terms = [term for window in found for term in (window.loss, window.control)]
        roots: list[Tensor] = [term for term in terms if term is not None and term.requires_grad]
        arriving: list[Tensor | None] = [None] * len(roots)
        place = None if boundary is None or ends else baseline.place(last, self._seen(inputs[n:]))
        if boundary is not None and not ends:
            for leaf, gradient in baseline.at_the_end(boundary, last, place):
                roots.append(leaf)
                arriving.append(gradient)
        if roots:
            torch.autograd.backward(roots, arriving)
        if boundary is not None:
            by_stream = sum(window.by_stream for window in found) if boundary.reads_losses else None
            baseline.learn(boundary, state, baseline.place(state, self._seen(inputs[:1])), by_stream, place)
        if self._auxiliary is not None and segment.length >= self._auxiliary.least:
            with self._precision(inputs):
                extra = self._auxiliary(self._freely, detach(carry), inputs[:n])
            extra.backward()
        return sum(window.loss.item() for window in reversed(found)), detach(last)

    def _windows(self, segment: Segment, inputs: Tensor, targets: Tensor, loss: Loss) -> Any:
        boundary = self._boundary

        def run(start: int, stop: int, state: Any) -> tuple[list[Window], Any]:
            wanted = targets[start:stop]
            control = by_stream = None
            with self._precision(inputs):
                outputs, states, last = self._run(inputs[start:stop], state, segment.part(start, stop))
                predictions = self._model.decode(outputs)
                value = loss(predictions, wanted)
                if boundary is not None and boundary.reads_losses:
                    by_stream = _by_stream(loss, predictions.detach(), wanted)
            if boundary is not None and states is not None:
                following = baseline.seen(boundary, self._model, inputs[start + 1 : stop + 1])
                control = baseline.where_it_goes_on(boundary, states, following, segment, start, stop)
            found = Window(loss=value, control=control, by_stream=by_stream)
            return [found], last if stop == segment.length else carried(last, segment.factor(stop - 1))

        return run

    def _seen(self, inputs: Tensor) -> Tensor | None:
        """What the boundary sees of the one input after a place, (B, F), if it does."""
        found = baseline.seen(self._boundary, self._model, inputs)
        return None if found is None else found[0]

    def _freely(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Steps without factors between them."""
        outputs, _, last = self._run(inputs, state, Segment(length=len(inputs), factors=np.ones(len(inputs) - 1)))
        return outputs, last

    def _precision(self, inputs: Tensor) -> Any:
        return torch.autocast(inputs.device.type, self._autocast, enabled=self._autocast is not None)


def _untraced(outputs: Tensor, last: Any) -> tuple[Tensor, Any, Any]:
    return outputs, None, last


def _by_stream(loss: Loss, predictions: Tensor, targets: Tensor) -> Tensor:
    """The loss of each stream alone, (B,): `loss` averages over those that it is shown."""
    streams = range(predictions.shape[1])
    return torch.stack([loss(predictions[:, b : b + 1], targets[:, b : b + 1]) for b in streams])
