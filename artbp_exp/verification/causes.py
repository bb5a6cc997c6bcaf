"""Says in words what is wrong with a loop that was refuted: forward passes, factors and derivatives, one by one."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from artbp_exp.theory.unbiased import why_biased
from artbp_exp.verification.body import Body, Pass, plain
from artbp_exp.verification.derivative import underivable
from artbp_exp.verification.float64_mode import raised
from artbp_exp.verification.stretch import flat

SAME = 1e-9
"""Relative difference below which two results are the same: far above rounding, far below any mistake."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One way to cut, beside the uncut sequence.

    Attributes:
        pattern: lengths of the segments.
        same_state: whether the last state is the uncut one.
        same_loss: whether the losses add up to the uncut one.
        mean_loss: whether they do when each is multiplied by its share of the steps: then it is a mean over steps.
        attached: whether a state was handed on with its history.
    """

    pattern: tuple[int, ...]
    same_state: bool
    same_loss: bool
    mean_loss: bool
    attached: bool

    @classmethod
    def between(cls, pattern: tuple[int, ...], found: Pass, full: Pass) -> "Compared":
        """Compares a pass with full BPTT's."""
        pairs = zip(found.state, full.state, strict=False)
        return cls(
            pattern=pattern,
            same_state=len(found.state) == len(full.state) and all(_same(a, b) for a, b in pairs),
            same_loss=_near(found.loss, full.loss),
            mean_loss=_near(found.weighted, full.weighted),
            attached=found.attached,
        )


def causes(
    body: Body, compared: Sequence[Compared], *, biased: bool, crossed: bool, derivative: bool = True
) -> list[str]:
    """What is wrong, the most telling first; nothing if nothing is.

    Args:
        body: the loop.
        compared: every way to cut.
        biased: whether the mean over them is not full BPTT's gradient.
        crossed: whether cuts change the gradient at all.
        derivative: whether to hold the uncut gradient against finite differences.
    """
    found = []
    if any(one.attached for one in compared):
        found.append(
            "the state that segment_loss returns is not detached, so that the gradient of a segment flows on into the "
            "segment before it: return artbp.detach(state)"
        )
    wrong = underivable(body) if derivative else None
    if wrong is not None:
        found.append(wrong)
    if biased:
        promise = why_biased(body.scheme, body.steps)
        forward = _forward(compared)
        if promise is not None or forward is not None:
            found += [reason for reason in (promise, forward) if reason is not None]
        elif not found:
            found.append(_factors(body))
    elif not crossed and not found:
        found.append("no gradient crosses any of the places where cuts fall: the loss reads nothing but its own step")
    return found


def _forward(compared: Sequence[Compared]) -> str | None:
    """What cuts do to the forward pass, where they should do nothing."""
    for one in compared:
        if not one.same_state:
            return (
                f"cuts change the states: segments of {list(one.pattern)} steps end in another state than the uncut "
                f"sequence; hand every tensor of the state on from segment to segment, and reset none"
            )
    if all(one.same_loss for one in compared):
        return None
    if all(one.mean_loss for one in compared):
        return (
            "the loss is a mean over the segment's actual length, which favours short segments: "
            "take the sum over its steps, times a constant"
        )
    worst = next(one for one in compared if not one.same_loss)
    return (
        f"cuts change the loss: segments of {list(worst.pattern)} steps do not add up to the uncut sequence's; "
        f"take the sum over steps, times a constant, and hand on every tensor of the state"
    )


def _factors(body: Body) -> str:
    """What the factors do. After step t, a factor of 0 must do to the gradient what a cut there does."""
    places = (np.flatnonzero(body.scheme.hazard(np.arange(1, body.steps)) > 0) + 1).tolist()
    uncut = flat(body.uncut().gradient)
    stopped = {t: flat(body.follow([plain(body.steps, without=t)]).gradient) for t in places}
    cut = {t: flat(body.follow([plain(t), plain(body.steps - t)]).gradient) for t in places}
    if all(_same(stopped[t], uncut) for t in places):
        return (
            "the factors are not applied at all: after step t of a segment, "
            "state = artbp.carry(state, segment.factor(t)), or use artbp.unroll"
        )
    pairs = list(pairwise(places))
    if pairs and all(_same(stopped[t], cut[later]) for t, later in pairs):
        return "the factors are applied one step late: segment.factor(t) belongs to the state after step t (from 0)"
    if pairs and all(_same(stopped[later], cut[t]) for t, later in pairs):
        return "the factors are applied one step early: segment.factor(t) belongs to the state after step t (from 0)"
    off = [t for t in places if not _same(stopped[t], cut[t])]
    if off:
        return (
            f"the factor after step {off[0]} does not act on all of the gradient that is carried on, or acts on more "
            f"than that: carry every tensor of the state through it, and let the loss read what was not"
        )
    return "the mean over all ways to cut is not full BPTT's gradient: is a factor squared, or applied twice?"


def _same(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape:
        return False
    if not (a.is_floating_point() or a.is_complex()):  # a counter, or which streams have ended
        return a.dtype == b.dtype and torch.equal(a, b)
    return float((raised(a) - raised(b)).norm()) <= SAME * float(raised(b).norm())


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= SAME * max(abs(a), abs(b))
