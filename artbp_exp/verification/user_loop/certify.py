"""Certifies a user's training loop: every way to cut a short sequence, through the user's own code."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.training.gradient import Pass, flat
from artbp_exp.truncation import Scheme, count_cuts
from artbp_exp.verification.enumeration import BIAS_TOLERANCE, NO_GRADIENT, enumerate_outcomes, pass_over, real
from artbp_exp.verification.user_loop.causes import FLOAT32, ROUNDED, Compared, causes, compare
from artbp_exp.verification.user_loop.float64_mode import float64
from artbp_exp.verification.user_loop.segment_loss import (
    NOISE,
    UPDATES,
    Parameters,
    SegmentLoss,
    UserLoop,
    named,
    plain,
    refuse,
)
from artbp_exp.verification.user_loop.uncut import evaluating, padding_rows, recomputation

MOST = 2**11
"""Ways to cut that are tried: those of 12 steps where a cut may fall after each of them."""

MOVES = (0.1, 0.01)
"""How far parameters are moved, relative to their root mean square; absolute where all of one is 0."""

DERIVATIVE = "whether the gradient of the uncut sequence is the derivative of its loss (derivative=False)"

HOOKS = "what the hooks do that run once a gradient is accumulated (register_post_accumulate_grad_hook)"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What `verify` found; `str` of it is a table.

    Attributes:
        bias: parameter → ‖E ĝ − g‖ / ‖g‖: ĝ the gradient with cuts, summed over segments, E its mean over all ways to
            cut, g that of full BPTT. Of a parameter without a gradient of its own: relative to the whole gradient.
        untested: parameters without a gradient, or with rounding alone: nothing is known of their bias.
        variance: E‖ĝ − E ĝ‖² / ‖g‖², over all parameters.
        patterns: ways to cut that have a probability above 0; all of them were run.
        steps: T, of the sequence.
        reasons: why it is not certified, in words; empty if it is.
        notes: what does not count against the loop as it is, but would with another scheme.
        unchecked: checks that were left out.
        tolerance: relative bias from which on the loop is refuted: above rounding, in float32 where `reasons` say so.
    """

    bias: Mapping[str, float]
    untested: tuple[str, ...]
    variance: float
    patterns: int
    steps: int
    reasons: tuple[str, ...]
    notes: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    tolerance: float = BIAS_TOLERANCE

    @property
    def certified(self) -> bool:
        """Whether the mean over all ways to cut is full BPTT's gradient, to rounding, and nothing else is wrong."""
        return not self.reasons

    def __str__(self) -> str:
        width = max(len("parameter"), *map(len, self.bias))
        rows = [f"{'parameter':<{width}}  relative bias"]
        rows += [f"{name:<{width}}  {self._row(name, bias)}" for name, bias in self.bias.items()]
        rows.append(
            f"{self.patterns} way{'s' if self.patterns > 1 else ''} to cut {self.steps} steps, in float64; "
            f"variance {self.variance:.3g} ‖g‖²"
        )
        rows += [f"note: {note}" for note in self.notes]
        left_out = [f"not checked: {check}" for check in self.unchecked]
        if self.certified:
            but = [f"no gradient reaches {', '.join(self.untested)}"] if self.untested else []
            but += left_out
            return "\n".join([*rows, f"verdict: certified ({'; '.join(but)})" if but else "verdict: certified"])
        verdict = "refuted" if max(self.bias.values()) >= self.tolerance else "not certified"
        return "\n".join([*rows, *left_out, f"verdict: {verdict}: {'; '.join(self.reasons)}"])

    def _row(self, name: str, bias: float) -> str:
        if bias >= self.tolerance:
            return f"{bias:13.1e}  BIASED"
        if bias >= BIAS_TOLERANCE:
            return f"{bias:13.1e}  rounded to float32"
        return f"{'—':>13}  no gradient: not tested" if name in self.untested else f"{bias:13.1e}  ok"


def verify(
    segment_loss: SegmentLoss,
    parameters: Parameters,
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
    gives where the cuts are to be drawn. One more uncut pass uses gradient checkpointing, and must agree.

    It does so at slightly moved parameters (Gaussian, 0.1 of each one's root mean square; 0.1 where it is all 0):
    behind a gate that is initialised to 0, nothing would be tested. A parameter that no gradient reaches even then is
    listed as not tested.

    All is computed in float64 without a change to your code: inside, parameters are float64 copies, and every torch
    function is handed float64 in the place of float32, float16 or bfloat16, and complex128 in the place of complex64
    (autocast then lowers nothing). A module's buffers, frozen parameters and tensor attributes are put back before each
    way to cut, and so are other float32 tensors that your code writes to. When it returns, or fails, all of these, your
    parameters, their dtype and `.grad`, train or eval modes and the random states of torch, NumPy and Python are as
    they were (a generator of your own is not put back, nor what else you keep outside the module).

    What it cannot see is what is outside `segment_loss`: that your loop takes the segments as they are, and that the
    optimiser takes the gradient as it is (clipping biases it).

    Args:
        segment_loss: the body of your loop: (first step, counted from 0; segment; state before it) → (loss, state
            after it). The loss is a scalar tensor, or 0 where a segment has none; `backward` is left to `verify`. The
            state is detached.
        parameters: a module, or its parameters, with or without their names. The module, if it has buffers or keeps
            its state: those are its own.
        scheme: where to cut. Its lengths are best a few steps: the code that is tested is the same.
        state: before the first step: a tensor (B, …), or a tree of tensors; None where `segment_loss` takes None.
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
    refuse(segment_loss, scheme, state)
    steps = checks.whole("steps", steps, at_least=2)
    checks.flag("derivative", derivative)
    _refuse_ways(scheme, steps)
    tensors = named(parameters)
    module = parameters if isinstance(parameters, nn.Module) else None
    with float64(list(tensors.values()), module) as snapshot:
        loop = UserLoop(
            segment_loss=segment_loss, parameters=tensors, state=state, steps=steps, snapshot=snapshot, module=module
        )
        full = _repeatable(loop)
        compared: list[Compared] = []
        found = enumerate_outcomes(loop, scheme, full.gradient, each=lambda one: compared.append(compare(one, full)))
        whole = float(flat(full.gradient).norm())
        variance = found.variance / whole**2
        crossed = variance > BIAS_TOLERANCE**2  # or it is rounding
        bias = max(found.bias.values())
        rounded = BIAS_TOLERANCE <= bias < FLOAT32 and any(one.rounded for one in compared)
        reasons = causes(
            loop,
            scheme,
            full,
            compared,
            biased=bias >= BIAS_TOLERANCE and not rounded,
            crossed=crossed,
            derivative=derivative,
            padding=padding_rows(module, tensors),
        )
        unlike = evaluating(module)
        recomputed = recomputation(loop, full)
    asked = scheme.memory is not None
    wrong = (found.misdrawn, unlike, ROUNDED if rounded else None, *reasons, recomputed if asked else None)
    return Verification(
        bias=found.bias,
        untested=tuple(name for name, g in full.gradient.items() if float(g.norm()) <= NO_GRADIENT * whole),
        variance=variance if crossed else 0.0,
        patterns=found.patterns,
        steps=steps,
        reasons=tuple(filter(None, wrong)),
        notes=(recomputed,) if recomputed and not asked else (),
        unchecked=tuple(_unchecked(tensors, derivative)),
        tolerance=FLOAT32 if rounded else BIAS_TOLERANCE,
    )


def _unchecked(parameters: Mapping[str, Tensor], derivative: bool) -> Iterator[str]:
    if not derivative:
        yield DERIVATIVE
    if any(getattr(parameter, "_post_accumulate_grad_hooks", None) for parameter in parameters.values()):
        yield HOOKS


def _refuse_ways(scheme: Scheme, steps: int) -> None:
    if not can_cut(scheme, steps):
        raise UserError(
            f"no cut of {scheme.name} can fall within {steps} steps, so nothing would be tested; verify with shorter "
            f"segments, as artbp.artbp(length=3, alpha=4), or with more steps: the code that is tested is the same"
        )
    counts = count_cuts(scheme, steps, most=MOST)
    if counts[-1] > MOST:
        raise UserError(
            f"{steps} steps can be cut in more than {MOST} ways, and no more are tried: "
            f"with this scheme take at most {len(counts) - 1} steps; got steps={steps}"
        )


def _repeatable(loop: UserLoop) -> Pass:
    """Full BPTT, twice: what is random, or is kept from call to call, makes different cuts incomparable."""
    whole = [plain(loop.steps)]
    pass_over(loop, whole)  # at the user's own parameters: whatever is wrong with the function shows here
    _move(loop)
    fixed = {name: parameter.detach().clone() for name, parameter in loop.parameters.items()}
    first, second = (pass_over(loop, whole) for _ in range(2))
    size = float(flat(first.gradient).norm())
    if size == 0:
        raise UserError("the loss has no gradient with respect to any of the parameters")
    off = float((flat(second.gradient) - flat(first.gradient)).norm()) / size
    if off > BIAS_TOLERANCE:
        if any(not torch.equal(parameter, fixed[name]) for name, parameter in loop.parameters.items()):
            raise UserError(UPDATES)
        raise UserError(
            f"the same cuts twice gave gradients that are {off:.1e} apart: segment_loss draws from a generator of its "
            f"own, or keeps something from call to call that is not in the module: ways to cut cannot be compared. "
            f"{NOISE}; keep the rest in the state, or in tensors of the module, and hand in the module itself"
        )
    return first


def _move(loop: UserLoop) -> None:
    """Adds small Gaussian numbers, always the same ones, to every parameter.

    At its initial value a gate may be 0, and no gradient flows through what lies behind it: a factor that is forgotten
    there is seen only after the first update. Unbiasedness holds at any parameters, so a loop that is right loses
    nothing. Where the loop does not run at the moved parameters (a decay that leaves (0, 1), say), a smaller size is
    tried, and in the end none.
    """
    before = {name: parameter.detach().clone() for name, parameter in loop.parameters.items()}
    for size in MOVES:
        generator = torch.Generator().manual_seed(0)
        for parameter in loop.parameters.values():
            values = real(parameter.detach())
            noise = torch.randn(values.shape, generator=generator, dtype=torch.float64).to(values.device)
            values.add_(size * (float(values.square().mean().sqrt()) or 1.0) * noise)
        try:
            pass_over(loop, [plain(loop.steps)])
        except Exception:  # whatever the user's code says of parameters that are not the user's
            with torch.no_grad():
                for name, parameter in loop.parameters.items():
                    parameter.copy_(before[name])
        else:
            return
