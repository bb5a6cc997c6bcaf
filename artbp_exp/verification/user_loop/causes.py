"""Names what is wrong with a user's loop: states, losses and factors, one by one."""

from collections.abc import Mapping, Sequence
from itertools import accumulate, pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd.state import detach, flatten
from artbp_exp.theory.survival import hazards
from artbp_exp.theory.unbiased import why_biased
from artbp_exp.training.gradient import Pass, flat
from artbp_exp.truncation import Scheme
from artbp_exp.verification.enumeration import pass_over
from artbp_exp.verification.user_loop.float64_mode import raised
from artbp_exp.verification.user_loop.segment_loss import ATTACHED, UserLoop, plain
from artbp_exp.verification.user_loop.uncut import not_the_derivative

SAME = 1e-9
"""Relative difference below which two results are the same: far above rounding, far below any mistake."""

FLOAT32 = 1e-6
"""The same where some of what is compared was rounded to float32."""

FLOAT64 = 1e-13
"""Relative difference of two losses that rounding in float64 explains."""

ROUNDED = (
    "the loop agrees with full BPTT to the rounding of float32 only: some state outside the module is kept in float32 "
    "(a NumPy array, a tensor that shares its memory), so nothing smaller can be seen; create it with the dtype of the "
    "parameters, or hand the state on through state="
)


class Compared(NamedTuple):
    """One way to cut beside the uncut sequence, kept in place of its gradient, which may be large."""

    lengths: tuple[int, ...]
    same_state: bool  # in the end
    off: float  # the loss, relative
    losses: tuple[float, ...]  # of its segments
    attached: bool  # whether a state was handed on with its history

    @property
    def same_loss(self) -> bool:
        """Up to float32's rounding."""
        return self.off <= FLOAT32

    @property
    def rounded(self) -> bool:
        """Whether cuts change the loss as rounding to float32 does: in float64 they would change it far less."""
        return self.same_state and FLOAT64 < self.off <= FLOAT32


def compare(found: Pass, full: Pass) -> Compared:
    """Compares a pass with the uncut one."""
    now, uncut = flatten(found.carry.state), flatten(full.carry.state)
    return Compared(
        lengths=found.lengths,
        same_state=len(now) == len(uncut) and all(_same(a, b, FLOAT32) for a, b in zip(now, uncut, strict=True)),
        off=abs(found.loss - full.loss) / (abs(full.loss) or 1.0),
        losses=found.carry.losses,
        attached=found.carry.attached,
    )


def causes(
    loop: UserLoop,
    scheme: Scheme,
    full: Pass,
    compared: Sequence[Compared],
    *,
    biased: bool,
    crossed: bool,
    derivative: bool,
    padding: Mapping[str, int],
) -> list[str]:
    """What is wrong, the most telling first; empty if nothing is.

    `full` is the uncut pass, `compared` every way to cut. `biased` is whether the mean over them is not full BPTT's
    gradient, `crossed` whether cuts change the gradient at all, `derivative` whether to hold the uncut one against
    finite differences. `padding`: name of an embedding's weights → the row that never learns.
    """
    found = []
    if any(one.attached for one in compared):
        found.append(ATTACHED)
    wrong = not_the_derivative(loop, full, padding) if derivative else None
    if wrong is not None:
        found.append(wrong)
    if biased:
        forward = _forward_by_factors(loop, full) or _forward(compared)
        known = [reason for reason in (why_biased(scheme, loop.steps), forward) if reason is not None]
        same = FLOAT32 if any(one.rounded for one in compared) else SAME
        found += known or ([] if found else [_kept_history(loop) or _factors(loop, scheme, full, same)])
    elif not crossed and not found:
        found.append(
            "no gradient crosses any of the places where cuts fall: the loss reads nothing but its own step, or the "
            "parameters that make the state are frozen or were not handed in"
        )
    return found


def _forward_by_factors(loop: UserLoop, full: Pass) -> str | None:
    """Whether a factor changes the forward pass, which must not know of it."""
    if loop.steps < 2:
        return None
    half = loop.steps // 2
    cut, stopped = (
        compare(pass_over(loop, segments), full)
        for segments in ([plain(half), plain(loop.steps - half)], [plain(loop.steps, without=half)])
    )
    if stopped.same_state and stopped.same_loss:
        return None
    if cut.same_state and cut.same_loss:
        return (
            "the factors change the states or the loss, and they are for the gradient alone: "
            "state = artbp.carry(state, segment.factor(t)), and not state * segment.factor(t)"
        )
    if _near(sum(cut.losses), sum(stopped.losses)):
        return (
            f"cuts change the {'loss' if cut.same_state else 'states'}: a module that artbp.unroll_blocks calls does "
            f"something once a call, and not at every step (a hook, a norm or a scale of its state), or looks back "
            f"within the call further than its state reaches (attention, a convolution over time); a cut makes two "
            f"calls of one: do it at every step, from the state alone"
        )
    return None


def _forward(compared: Sequence[Compared]) -> str | None:
    """What cuts do to the forward pass, which they must leave alone."""
    for one in compared:
        if not one.same_state:
            return (
                f"cuts change the states: segments of {list(one.lengths)} steps end in another state than the uncut "
                f"sequence; hand every tensor of the state on from segment to segment, reset none, and let a step see "
                f"no more of the past than the state holds"
            )
    others = [one for one in compared if not one.same_loss]
    if not others:
        return None
    parts = _parts(compared)
    if parts and all(_near(whole, last) for _, whole, last in parts):
        return (
            "the loss of a segment is that of its last step, and cuts change which steps are last: choose the steps "
            "that have a loss by their number in the data, (start + t) % 10 == 9 say, and return 0 where there is none"
        )
    if _mean(parts):
        return (
            "the loss is a mean over the segment's actual length, or over its valid steps, which favours short "
            "segments: take the sum over its steps, divided by a constant, B·L0 say, not by the number in the segment"
        )
    return (
        f"cuts change the loss: segments of {list(others[0].lengths)} steps do not add up to the uncut sequence's; "
        f"take the sum over steps, times a constant; multiply a penalty or a mean, which does not grow with the "
        f"segment, by segment.length / L0; and hand on every tensor of the state"
    )


def _parts(compared: Sequence[Compared]) -> list[tuple[float, float, float]]:
    """The losses of (the first part, the whole, the second part) of each segment that was also run in two."""
    known: dict[tuple[int, int], float] = {}
    for one in compared:
        ends = [0, *accumulate(one.lengths)]
        known.update(zip(pairwise(ends), one.losses, strict=True))
    return [
        (known[start, middle], whole, known[middle, stop])
        for (start, stop), whole in known.items()
        for middle in range(start + 1, stop)
        if (start, middle) in known and (middle, stop) in known
    ]


def _mean(parts: Sequence[tuple[float, float, float]]) -> bool:
    """Whether each segment's loss lies between those of its parts, as a mean does, weighed by whatever number."""
    return bool(parts) and all(
        min(first, last) - SAME * abs(whole) <= whole <= max(first, last) + SAME * abs(whole)
        for first, whole, last in parts
    )


def _kept_history(loop: UserLoop) -> str | None:
    """Whether a gradient flows into the segment before by something else than the state: what is kept in a closure."""
    half = loop.steps // 2
    everywhere, _ = loop.loss_of(0, plain(loop.steps), loop.begin().state)
    first, state = loop.loss_of(0, plain(half), loop.begin().state)
    second, _ = loop.loss_of(half, plain(loop.steps - half), detach(state))
    if not _nodes(first) & _nodes(second) - _nodes(everywhere):
        return None
    return (
        "something that is kept outside of the state (in a closure, an object or a list) is not detached, so the "
        "gradient of a segment flows on into the segment before it: detach it where it is kept"
    )


def _nodes(loss: Tensor | float) -> set[Any]:
    """The autograd graph of a loss."""
    found: set[Any] = set()
    left = [loss.grad_fn] if isinstance(loss, Tensor) else []
    while left:
        node = left.pop()
        if node is not None and node not in found:
            found.add(node)
            left += [before for before, _ in node.next_functions]
    return found


def _factors(loop: UserLoop, scheme: Scheme, full: Pass, same: float) -> str:
    """What the factors do. After step t, a factor of 0 must do to the gradient what a cut there does, up to `same`."""
    steps = loop.steps
    places = (np.flatnonzero(hazards(scheme.at(0), steps - 1) > 0) + 1).tolist()
    uncut = flat(full.gradient)
    stopped = {t: flat(pass_over(loop, [plain(steps, without=t)]).gradient) for t in places}
    cut = {t: flat(pass_over(loop, [plain(t), plain(steps - t)]).gradient) for t in places}
    if all(_same(stopped[t], uncut, same) for t in places):
        return (
            "the factors are not applied at all: after step t of a segment, "
            "state = artbp.carry(state, segment.factor(t)), or use artbp.unroll"
        )
    pairs = list(pairwise(places))
    if pairs and all(_same(stopped[t], cut[later], same) for t, later in pairs):
        return "the factors are applied one step late: segment.factor(t) belongs to the state after step t (from 0)"
    if pairs and all(_same(stopped[later], cut[t], same) for t, later in pairs):
        return "the factors are applied one step early: segment.factor(t) belongs to the state after step t (from 0)"
    off = [t for t in places if not _same(stopped[t], cut[t], same)]
    if off:
        return (
            f"the factor after step {off[0]} does not act on all of the gradient that is carried on, or acts on more "
            f"than that: carry every tensor of the state through it, and let the loss read what was not"
        )
    return "the mean over all ways to cut is not full BPTT's gradient: is a factor squared, or applied twice?"


def _same(a: Any, b: Any, tolerance: float) -> bool:
    if not isinstance(a, Tensor) or not isinstance(b, Tensor):  # a plain number
        return type(a) is type(b) and bool(a == b)
    a, b = a.detach(), b.detach()
    if a.shape != b.shape:
        return False
    if not (a.is_floating_point() or a.is_complex()):  # a counter, or which streams have ended
        return a.dtype == b.dtype and torch.equal(a, b)
    return float((raised(a) - raised(b)).norm()) <= tolerance * float(raised(b).norm())


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= SAME * max(abs(a), abs(b))
