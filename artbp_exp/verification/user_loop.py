"""Certifies a training loop of the user's own: every way to cut a short sequence, through the user's own code."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.training.gradient import Gradients
from artbp_exp.truncation import Scheme, Segment, enumerate_cuts
from artbp_exp.verification.arguments import check, named, padding, ways
from artbp_exp.verification.body import Body, Pass, SegmentLoss
from artbp_exp.verification.causes import Compared, causes
from artbp_exp.verification.exact import BIAS_TOLERANCE
from artbp_exp.verification.float64_mode import float64
from artbp_exp.verification.lengths import Lengths, misdrawn, promised
from artbp_exp.verification.perturb import nudge
from artbp_exp.verification.stretch import flat
from artbp_exp.verification.verdict import Verification

__all__ = ["Verification", "verify"]

DERIVATIVE = "whether the gradient of the uncut sequence is the derivative of its loss (derivative=False)"

NONE = 1e-10
"""A parameter whose gradient is this small a share of the whole gradient has none but rounding."""


def verify(
    segment_loss: SegmentLoss,
    parameters: nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]] | Mapping[str, Tensor],
    scheme: Scheme,
    *,
    state: Any = None,
    steps: int = 8,
    derivative: bool = True,
) -> Verification:
    """Proves, or refutes, that a training loop of your own has full BPTT's gradient on average.

    Runs your code over the first `steps` steps of your data once for every way to cut them, each with its exact
    probability under the scheme's hazard, and holds the mean gradient against the one your code has for one segment
    with all factors 1: E ĝ = g (Tallec & Ollivier 2017, arXiv 1705.08209, Proposition 1), to rounding. That g is
    itself the derivative of your loss is checked by finite differences. Segments are those that `scheme.segments`
    gives where the cuts are to be drawn.

    It does so at slightly moved parameters (Gaussian, 0.1 of each one's root mean square; 0.1 where it is all 0):
    behind a gate that is initialised to 0, nothing would be tested. A parameter that no gradient reaches even then is
    listed as not tested.

    All is computed in float64 without a change to your code: inside, parameters are float64 copies, and every torch
    function is handed float64 in the place of float32, float16 or bfloat16, and complex128 in the place of complex64
    (autocast then lowers nothing). A module's buffers and tensor attributes are put back before each way to cut. When
    it returns, or fails, your parameters, their dtype and `.grad`, a module's buffers, tensor attributes and train or
    eval modes and the random states of torch, NumPy and Python are as they were (a generator of your own is not put
    back, nor what you keep elsewhere).

    What it cannot see is what is outside `segment_loss`: that your loop takes the segments as they are, and that the
    optimiser takes the gradient as it is (clipping biases it).

    Args:
        segment_loss: the body of your loop: (first step, counted from 0; segment; state before it) → (loss, state
            after it). The loss is a scalar tensor; `backward` is left to `verify`. The state is detached.
        parameters: a module, or its parameters, with or without their names. The module, if it has buffers or keeps
            its state: those are its own.
        scheme: where to cut. Its lengths are best a few steps: the code that is tested is the same.
        state: before the first step: a tensor (B, …), or nested tensors; None where `segment_loss` takes None.
        steps: T ≥ 2, no more than your data have; at most 2048 ways to cut, which is T = 12 where a cut may fall
            after every step.
        derivative: whether to check by finite differences that the gradient of the uncut sequence is the derivative of
            its loss. False where it is not meant to be: surrogate gradients, straight-through estimators.

    Returns:
        The relative bias of each parameter, the variance, and the verdict, with what is wrong in words.

    Raises:
        UserError: no cut can fall within `steps` steps, or too many; nothing has a gradient; `segment_loss` returns
            something else than (loss, state), or is random (dropout), or keeps something from call to call.

    Example:
        >>> def segment_loss(start, segment, state):
        ...     stop = start + segment.length
        ...     outputs, state = artbp.unroll(model.step, x[start:stop], state, segment)
        ...     loss = (torch.stack(outputs) - y[start:stop]).square().sum()
        ...     return loss, artbp.detach(state)
        >>> print(artbp.verify(segment_loss, model, artbp.artbp(length=3, alpha=4), state=torch.zeros(8, 16)))
    """
    steps = check(segment_loss, steps, state)
    checks.flag("derivative", derivative)
    patterns = ways(scheme, steps)
    tensors = named(parameters)
    module = parameters if isinstance(parameters, nn.Module) else None
    with float64(list(tensors.values()), module) as kept:
        body = Body(
            segment_loss=segment_loss,
            parameters=tensors,
            state=state,
            scheme=scheme,
            steps=steps,
            kept=kept,
            padding=padding(module, tensors),
        )
        full = _repeatable(body)
        compared, mean, variance, wrong = _enumerate(body, full, promised(scheme, steps))
        bias = relative(mean, full.gradient)
        reasons = causes(
            body,
            compared,
            biased=max(bias.values()) >= BIAS_TOLERANCE,
            crossed=variance > 0,
            derivative=derivative,
        )
        unlike = _evaluating(module)
        recomputed = _recomputed(body, full)
    whole = float(flat(full.gradient).norm())
    return Verification(
        bias=bias,
        untested=tuple(name for name, g in full.gradient.items() if float(g.norm()) <= NONE * whole),
        variance=variance,
        patterns=patterns,
        steps=steps,
        reasons=tuple(
            reason for reason in (wrong, unlike, *reasons, recomputed if scheme.memory is not None else None) if reason
        ),
        notes=(recomputed,) if recomputed and scheme.memory is None else (),
        unchecked=() if derivative else (DERIVATIVE,),
    )


def _repeatable(body: Body) -> Pass:
    """Full BPTT, twice: what is random, or is kept from call to call, makes different cuts incomparable."""
    body.uncut()  # at the user's own parameters: whatever is wrong with the function shows here
    nudge(body)
    first, second = body.uncut(), body.uncut()
    size = float(flat(first.gradient).norm())
    if size == 0:
        raise UserError("the loss has no gradient with respect to any of the parameters")
    off = float((flat(second.gradient) - flat(first.gradient)).norm()) / size
    if off > BIAS_TOLERANCE:
        raise UserError(
            f"the same cuts twice gave gradients that are {off:.1e} apart: segment_loss draws from a generator of its "
            f"own, or keeps something from call to call that is not in the module; ways to cut cannot be compared then"
        )
    return first


def _enumerate(body: Body, full: Pass, lengths: Lengths) -> tuple[list[Compared], Gradients, float, str | None]:
    """Each way to cut beside the uncut sequence; the mean gradient; its variance over ‖g‖²; what is wrong with cuts.

    Segments are those that `scheme.segments` hands to a training loop.
    """
    wrong = misdrawn(body, lengths)
    mean: Gradients = {name: torch.zeros_like(g) for name, g in full.gradient.items()}
    whole = flat(full.gradient)
    second, compared = 0.0, []
    for pattern, chance in enumerate_cuts(body.scheme, body.steps):
        segments, strayed = _segments(body, lengths, pattern)
        wrong = wrong or strayed
        found = body.follow(segments)
        for name, gradient in found.gradient.items():
            mean[name] += chance * gradient
        second += chance * float((flat(found.gradient) - whole).square().sum())
        compared.append(Compared.between(pattern, found, full))
    # around g and not around 0: squares of small numbers keep their digits
    variance = max(second - float((flat(mean) - whole).square().sum()), 0.0) / float(whole.square().sum())
    # and what is left of rounding is none
    return compared, mean, variance if variance > BIAS_TOLERANCE**2 else 0.0, wrong


def _segments(body: Body, lengths: Lengths, pattern: tuple[int, ...]) -> tuple[list[Segment], str | None]:
    """What a training loop is handed where `pattern` is to be drawn; and what is wrong with it."""
    drawn = body.drawn(lengths.numbers(pattern))
    found = [segment.length for _, segment in drawn]
    if sum(found) == body.steps and [start for start, _ in drawn] == [0, *accumulate(found)][:-1]:
        wrong = f"scheme.segments gives segments of {found} steps where {list(pattern)} are to be drawn"
        return [segment for _, segment in drawn], None if found == list(pattern) else wrong
    wrong = f"scheme.segments gives {[(start, length) for (start, _), length in zip(drawn, found, strict=True)]}"
    return [body.scheme.segment(length) for length in pattern], f"{wrong} as (start, length) of {body.steps} steps"


def _recomputed(body: Body, full: Pass) -> str | None:
    """Whether gradient checkpointing changes the gradient, or fails. Returns what is wrong, None if nothing is."""
    try:
        found = flat(body.recomputed().gradient)
    except Exception as error:  # torch's, or that of a step which does not run twice
        what = f"fails ({type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]})"
    else:
        whole = flat(full.gradient)
        off = float((found - whole).norm() / whole.norm())
        if off <= BIAS_TOLERANCE:
            return None
        what = f"changes the gradient by {off:.1e}"
    return (
        f"gradient checkpointing (a scheme with memory=…) {what}: it runs the steps of a long segment a second time, "
        f"and this loop's steps depend on more than their input and state (a counter, a buffer that they update, a "
        f"state changed in place, parameters swapped by functional_call); keep memory=None, or move that into the state"
    )


def _evaluating(module: nn.Module | None) -> str | None:
    """Whether a model was left in eval mode that is another one in training, dropout apart."""
    if module is None or any(part.training for part in module.modules()):
        return None
    for name, part in module.named_modules():
        if isinstance(part, _NormBase) and part.track_running_stats:
            return (
                f"the model is in eval mode, while in training {name} ({type(part).__name__}) takes the statistics of "
                f"each batch: verify in train mode, and put nothing but dropout in eval mode"
            )
    return None


def relative(mean: Gradients, full: Gradients) -> dict[str, float]:
    """‖mean − full‖ / ‖full‖ for each parameter; of one without a gradient, relative to the whole gradient."""
    whole = float(flat(full).norm())
    bias = {}
    for name, wanted in full.items():
        size = float(wanted.norm())
        bias[name] = float((mean[name] - wanted).norm()) / (size if size > NONE * whole else whole)
    return bias
