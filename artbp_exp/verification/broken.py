"""Mistakes that are easily made, kept to prove that the certification catches them.

Each builds a method as `segment_method` does, with one thing wrong. Nothing trains with these.
"""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import State, carry
from artbp_exp.methods import Method, SegmentMethod
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.truncation.scheme import Floats
from artbp_exp.verification.probe import Make

CAP, FAR_CAP = 3, 100
"""Steps at which `capped` and `capped_far` silently end a segment."""

CLIP = 20.0
"""Where `weight_clipped` stops compensating."""


class ShiftedFactors(Scheme):
    """Reweights with c(0), c(1), … though it cuts with c(1), c(2), …: off by one step."""

    def factors(self, count: int) -> Floats:
        """1 / (1 − c(d − 1)) for d = 1 … `count`."""
        found: Floats = 1.0 / (1.0 - self.hazard(np.arange(count, dtype=np.int64)))
        return found


class ShiftedDraws(Scheme):
    """Cuts with c(0), c(1), … though it reweights with c(1), c(2), …: the same slip, the other way round."""

    def survival(self, count: int) -> Floats:
        """Π_{d ≤ n} (1 − c(d − 1)) for n = 0 … `count`."""
        return _survival(self.hazard(np.arange(count, dtype=np.int64)))


class HalvedDraws(Scheme):
    """Cuts half as often as its hazard, and so its factors, say."""

    def survival(self, count: int) -> Floats:
        """Π_{d ≤ n} (1 − c(d)/2) for n = 0 … `count`."""
        return _survival(0.5 * self.hazard(np.arange(1, count + 1, dtype=np.int64)))


def _survival(hazard: Floats) -> Floats:
    return np.concatenate([[1.0], np.cumprod(1.0 - hazard)])


class CappedLength(Scheme):
    """Ends a segment at `CAP` steps at the latest, though its hazard says nothing of it."""

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        """At most `CAP` steps."""
        return min(CAP, super().draw(rng, limit))


class FarCappedLength(Scheme):
    """The same at `FAR_CAP` steps: a short sequence knows nothing of it."""

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        """At most `FAR_CAP` steps."""
        return min(FAR_CAP, super().draw(rng, limit))


class ClippedFactors(Scheme):
    """Compensates until the factors' product is `CLIP`, and from there on not any more."""

    def factors(self, count: int) -> Floats:
        """Ratios of min(`CLIP`, Π 1/(1 − c(d)))."""
        weight = np.minimum(CLIP, np.cumprod(super().factors(count)))
        found: Floats = weight / np.concatenate([[1.0], weight[:-1]])
        return found


class Forgetful(SegmentMethod):
    """Recomputes a long segment window by window, and forgets the factor between two windows."""

    def advance(self, carry: Any, draw: Any, *data: Any, ends: bool) -> tuple[float, Any]:
        """With factors 1 where windows meet."""
        if draw.memory is not None:
            factors = draw.factors.copy()
            factors[-draw.memory :: -draw.memory] = 1.0
            draw = replace(draw, factors=factors)
        return super().advance(carry, draw, *data, ends=ends)


class Dividing(SegmentMethod):
    """Divides by the segment's actual length: short segments get too much weight."""

    def advance(self, carry: Any, draw: Any, inputs: Any, targets: Any, loss: Any, *, ends: bool) -> tuple[float, Any]:
        """On the mean loss of the segment."""
        return super().advance(carry, draw, inputs, targets, lambda p, t: loss(p, t) / draw.length, ends=ends)


def reads_what_was_carried(model: RecurrentModel) -> Any:
    """A forward path whose loss at step t reads the state *behind* the factor: the loss is reweighted, too."""

    def run(inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State]:
        outputs: list[Tensor] = []
        for index, row in enumerate(model.encode(inputs).unbind(0)):
            output, state = model.step(row, state)
            if index < segment.length - 1:
                factor = float(segment.factors[index])
                state = carry(state, factor)
                output = cast(Tensor, carry(output, factor))
            outputs.append(output)
        return torch.stack(outputs), state

    return run


def _method(
    kind: type[SegmentMethod] = SegmentMethod, *, engine: str, task: Any, model: RecurrentModel, **parts: Any
) -> SegmentMethod:
    return kind(model=model, engine="plain", **parts)


def _as(kind: type[Scheme], scheme: Scheme) -> Scheme:
    fields = {name: getattr(scheme, name) for name in scheme.__dataclass_fields__ if name != "_table"}
    return kind(**fields)


def shifted(*, scheme: Scheme, **parts: Any) -> Method:
    """Factors shifted by one step."""
    return _method(scheme=_as(ShiftedFactors, scheme), **parts)


def shifted_draws(*, scheme: Scheme, **parts: Any) -> Method:
    """Draws shifted by one step."""
    return _method(scheme=_as(ShiftedDraws, scheme), **parts)


def halved_draws(*, scheme: Scheme, **parts: Any) -> Method:
    """Cuts drawn half as often as the factors assume."""
    return _method(scheme=_as(HalvedDraws, scheme), **parts)


def capped(*, scheme: Scheme, **parts: Any) -> Method:
    """Lengths silently capped."""
    return _method(scheme=_as(CappedLength, scheme), **parts)


def divided(**parts: Any) -> Method:
    """Division by the actual length."""
    return _method(Dividing, **parts)


def capped_far(*, scheme: Scheme, **parts: Any) -> Method:
    """Lengths silently capped, beyond what is enumerated."""
    return _method(scheme=_as(FarCappedLength, scheme), **parts)


def weight_clipped(*, scheme: Scheme, **parts: Any) -> Method:
    """The accumulated weight clipped."""
    return _method(scheme=_as(ClippedFactors, scheme), **parts)


def forgotten(**parts: Any) -> Method:
    """The factor between two recomputed windows forgotten."""
    return _method(Forgetful, **parts)


def loss_factored(*, model: RecurrentModel, **parts: Any) -> Method:
    """The factor applied to the loss, too."""
    method = _method(model=model, **parts)
    method._run = reads_what_was_carried(model)
    return method


BROKEN: dict[str, Make] = {
    "factors shifted by one step": shifted,
    "draws shifted by one step": shifted_draws,
    "cuts drawn with half their probability": halved_draws,
    "division by the actual length": divided,
    "length silently capped": capped,
    "factor applied to the loss, too": loss_factored,
}
"""What a short sequence shows."""

BROKEN_FAR: dict[str, Make] = {
    "weight clipped": weight_clipped,
    "length capped beyond the enumerated lags": capped_far,
    "factor forgotten between two pieces": forgotten,
}
"""What only long segments show."""
