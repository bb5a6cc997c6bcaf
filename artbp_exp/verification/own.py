"""Certifies a training loop of the user's own: every way to cut a short sequence, through the user's own code."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.backprop import map_state
from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme
from artbp_exp.verification.body import Body, Pass, SegmentLoss, count_cuts, possible_cuts
from artbp_exp.verification.causes import Compared, causes
from artbp_exp.verification.double import float64
from artbp_exp.verification.exact import BIAS_TOLERANCE
from artbp_exp.verification.lengths import misdrawn, promised
from artbp_exp.verification.probe import Gradients
from artbp_exp.verification.stretch import flat

MOST = 2**11
"""Ways to cut that are tried: those of 12 steps where a cut may fall after each of them."""

NONE = 1e-10
"""A parameter whose gradient is this small a share of the whole gradient has none but rounding."""


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found; `str` of it is a table.

    Attributes:
        bias: parameter → ‖E ĝ − g‖ / ‖g‖: ĝ the gradient with cuts, summed over segments, E its mean over all ways to
            cut, g that of full BPTT. Of a parameter without a gradient of its own: relative to the whole gradient.
        variance: E‖ĝ − E ĝ‖² / ‖g‖², over all parameters.
        patterns: ways to cut that have a probability above 0; all of them were run.
        steps: T, of the sequence.
        reasons: why it is not certified, in words; empty if it is.
    """

    bias: Mapping[str, float]
    variance: float
    patterns: int
    steps: int
    reasons: tuple[str, ...]

    @property
    def certified(self) -> bool:
        """Whether the mean over all ways to cut is full BPTT's gradient, to rounding, and nothing else is wrong."""
        return not self.reasons

    def __str__(self) -> str:
        width = max(len("parameter"), *map(len, self.bias))
        rows = [f"{'parameter':<{width}}  relative bias"]
        rows += [
            f"{name:<{width}}  {bias:13.1e}  {'ok' if bias < BIAS_TOLERANCE else 'BIASED'}"
            for name, bias in self.bias.items()
        ]
        rows.append(
            f"{self.patterns} way{'s' if self.patterns > 1 else ''} to cut {self.steps} steps, in float64; "
            f"variance {self.variance:.3g} ‖g‖²"
        )
        if self.certified:
            return "\n".join([*rows, "verdict: certified"])
        verdict = "refuted" if max(self.bias.values()) >= BIAS_TOLERANCE else "not certified"
        return "\n".join([*rows, f"verdict: {verdict}: {'; '.join(self.reasons)}"])


def verify(
    segment_loss: SegmentLoss,
    parameters: nn.Module | Iterable[Tensor] | Iterable[tuple[str, Tensor]],
    scheme: Scheme,
    *,
    state: Any = None,
    steps: int = 8,
) -> Verification:
    """Proves, or refutes, that a training loop of your own has full BPTT's gradient on average.

    Runs your code over the first `steps` steps of your data once for every way to cut them, each with its exact
    probability under the scheme's hazard, and holds the mean gradient against the one your code has for one segment
    with all factors 1: E ĝ = g (Tallec & Ollivier 2017, arXiv 1705.08209, Proposition 1), to rounding. That g is
    itself the derivative of your loss is checked by finite differences.

    All is computed in float64 without a change to your code: inside, parameters are float64 copies, and every torch
    function is handed float64 in the place of float32, float16 or bfloat16 (autocast then lowers nothing). When it
    returns, or fails, your parameters, their dtype and `.grad`, a module's buffers and train or eval modes and the
    random states of torch, NumPy and Python are as they were (a generator of your own is not put back).

    What it cannot see is what is outside `segment_loss`: that segments come from `scheme.segments`, and that the
    optimiser takes the gradient as it is (clipping biases it).

    Args:
        segment_loss: the body of your loop: (first step, counted from 0; segment; state before it) → (loss, state
            after it). The loss is a scalar tensor; `backward` is left to `verify`. The state is detached.
        parameters: a module, or its parameters, with or without their names.
        scheme: where to cut. Its lengths are best a few steps: the code that is tested is the same.
        state: before the first step: a tensor (B, …), or nested tensors; None where `segment_loss` takes None.
        steps: T ≥ 2, no more than your data have; at most 2048 ways to cut, which is T = 12 where a cut may fall
            after every step.

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
    steps = checks.whole("steps", steps, at_least=2)
    if not isinstance(scheme, Scheme):
        raise UserError(f"scheme must be one of artbp.artbp(…), artbp.tbptt(…) or a Scheme; got {scheme!r}")
    named = _named(parameters)
    patterns = _count(scheme, steps)
    try:
        map_state(lambda tensor: tensor, state)
    except (TypeError, ValueError) as error:
        raise UserError(f"state must be a tensor or tensors nested in tuples, lists and dicts: {error}") from error
    with float64(list(named.values()), parameters if isinstance(parameters, nn.Module) else None):
        body = Body(segment_loss=segment_loss, parameters=named, state=state, scheme=scheme, steps=steps)
        full = _repeatable(body)
        compared, mean, variance = _enumerate(body, full)
        bias = relative(mean, full.gradient)
        wrong = misdrawn(body, promised(scheme, steps))
        reasons = causes(body, compared, biased=max(bias.values()) >= BIAS_TOLERANCE, crossed=variance > 0)
    return Verification(
        bias=bias,
        variance=variance,
        patterns=patterns,
        steps=steps,
        reasons=(*([wrong] if wrong else []), *reasons),
    )


def _named(parameters: Any) -> dict[str, Tensor]:
    """Parameters that take a gradient, each once, by name."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    pairs = list(parameters.named_parameters() if isinstance(parameters, nn.Module) else parameters)
    found: dict[str, Tensor] = {}
    for index, pair in enumerate(pairs):
        name, tensor = pair if isinstance(pair, tuple) and len(pair) == 2 else (f"parameter {index}", pair)
        if not isinstance(tensor, Tensor) or not tensor.is_leaf:
            raise UserError(
                f"parameters must be a module, its parameters() or named_parameters(); got {type(tensor).__name__}"
            )
        if tensor.requires_grad and not any(tensor is other for other in found.values()):
            found[str(name)] = tensor
    if not found:
        raise UserError("none of the parameters takes a gradient (requires_grad is False): there is nothing to verify")
    return found


def _count(scheme: Scheme, steps: int) -> int:
    if not (scheme.survival(steps - 1)[-1] < 1):
        raise UserError(
            f"no cut of {scheme.name} can fall within {steps} steps, so nothing would be tested; verify with shorter "
            f"segments, as artbp.artbp(length=3, alpha=4), or with more steps: the code that is tested is the same"
        )
    patterns = count_cuts(scheme, steps)
    if patterns > MOST:
        raise UserError(f"{steps} steps can be cut in {patterns} ways, and at most {MOST} are tried: take fewer steps")
    return patterns


def _repeatable(body: Body) -> Pass:
    """Full BPTT, twice: what is random, or is kept from call to call, makes different cuts incomparable."""
    first, second = body.uncut(), body.uncut()
    size = float(flat(first.gradient).norm())
    if size == 0:
        raise UserError("the loss has no gradient with respect to any of the parameters")
    off = float((flat(second.gradient) - flat(first.gradient)).norm()) / size
    if off > BIAS_TOLERANCE:
        raise UserError(
            f"the same cuts twice gave gradients that are {off:.1e} apart: segment_loss is random (turn dropout off, "
            f"as model.eval() does) or keeps something from call to call; ways to cut cannot be compared then"
        )
    return first


def _enumerate(body: Body, full: Pass) -> tuple[list[Compared], Gradients, float]:
    """Each way to cut beside the uncut sequence; the mean gradient; and its variance over ‖g‖²."""
    mean: Gradients = {name: torch.zeros_like(g) for name, g in full.gradient.items()}
    whole = flat(full.gradient)
    second, compared = 0.0, []
    for pattern, chance in possible_cuts(body.scheme, body.steps):
        found = body.cut(pattern)
        for name, gradient in found.gradient.items():
            mean[name] += chance * gradient
        second += chance * float((flat(found.gradient) - whole).square().sum())
        compared.append(Compared.between(pattern, found, full))
    # around g and not around 0: squares of small numbers keep their digits
    variance = max(second - float((flat(mean) - whole).square().sum()), 0.0) / float(whole.square().sum())
    # and what is left of rounding is none
    return compared, mean, variance if variance > BIAS_TOLERANCE**2 else 0.0


def relative(mean: Gradients, full: Gradients) -> dict[str, float]:
    """‖mean − full‖ / ‖full‖ for each parameter; of one without a gradient, relative to the whole gradient."""
    whole = float(flat(full).norm())
    bias = {}
    for name, wanted in full.items():
        size = float(wanted.norm())
        bias[name] = float((mean[name] - wanted).norm()) / (size if size > NONE * whole else whole)
    return bias
