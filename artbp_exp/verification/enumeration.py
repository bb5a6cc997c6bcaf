"""The certifier: every outcome of a method on a short sequence, weighed with its probability, in float64.

One for configured experiments and for users' loops: both are a `Loop` and something that draws.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.methods.base import Boundary, Claim, Draw, Method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.theory.exact_variance import exact_variance
from artbp_exp.theory.survival import carry_factors
from artbp_exp.theory.unbiased import can_cut, why_biased
from artbp_exp.training.gradient import Gradients, Loop, Pass, TaskLoop, flat, gradient
from artbp_exp.truncation import Scheme
from artbp_exp.verification.draws import Drawing, Lengths, measured, misdrawn, redrawn, scheme_of
from artbp_exp.verification.oracle import full_bptt, short_of, squared_crossings

BIAS_TOLERANCE = 1e-12
"""Relative to the gradient of a parameter: rounding in float64, and nothing else."""

SIGNS_TOLERANCE = 1e-10
"""The same where what is added up over random signs is much larger than its mean."""

BLUNT = 0.5
"""Interval, relative to a parameter's gradient, that would hide half of it: then nothing is shown."""

VARIANCE_TOLERANCE = 1e-9
"""Relative: squares of differences lose more digits."""

NO_GRADIENT = 1e-10
"""A parameter whose gradient is this small a share of the whole gradient has none but rounding."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A configured experiment that is put to a test.

    Attributes:
        model: at θ; its parameters do not change.
        task: of which one pass is read.
        method: makes the gradient.
        beside: what else changes the gradient that is estimated: an auxiliary loss; empty if nothing does.
        boundary: the method's, if it has one. It may bias the gradient where a cut is certain, and nowhere else.
    """

    model: RecurrentModel
    task: Task
    method: Method
    beside: str = ""
    boundary: Boundary | None = None

    @property
    def loop(self) -> Loop:
        """Task and method, as `gradient` takes them."""
        return TaskLoop(task=self.task, method=self.method, trainables=self.model)

    @property
    def scheme(self) -> Scheme | None:
        """The method's truncation scheme; None if it does not cut."""
        return self.method.scheme

    @property
    def size(self) -> int:
        """Parameters of the model."""
        return sum(parameter.numel() for parameter in self.model.parameters())


def real(tensor: Tensor) -> Tensor:
    """The same memory, with real and imaginary parts as numbers of their own: (…, 2) if it is complex."""
    return torch.view_as_real(tensor) if tensor.is_complex() else tensor


def pass_over(loop: Loop, outcome: Iterable[Draw]) -> Pass:
    """The gradient of an outcome, which must be finite; complex numbers as pairs of real and imaginary parts."""
    found = gradient(loop, outcome)
    if not all(bool(part.isfinite().all()) for part in found.gradient.values()):
        raise UserError("the gradient at these parameters is not finite: there is nothing to compare")
    return replace(found, gradient={name: real(part.detach()) for name, part in found.gradient.items()})


@dataclass(frozen=True, kw_only=True)
class Exact:
    """What enumeration found.

    Attributes:
        patterns: ways to cut (outcomes, of a method that does not cut) that have a probability above 0.
        bias: parameter → ‖E ĝ − g‖ / ‖g‖, the mean over the outcomes as they are drawn; see `relative_bias`.
        variance: E‖ĝ − E ĝ‖², all parameters together.
        misdrawn: how lengths are drawn otherwise than the hazard says; None if they are not.
        predicted: the variance by the exact formula; None where it was not asked for, or does not hold: `no_formula`.
        promise: why the method is biased as it is set up, by its own account; None if it is not.
        no_formula: why there is no prediction.
        tolerance: relative bias up to which a parameter's gradient counts as unbiased.
        limits: parameter → the same, where the mean is drawn and not enumerated: its interval.
    """

    patterns: int
    bias: dict[str, float]
    variance: float
    misdrawn: str | None
    predicted: float | None = None
    promise: str | None = None
    no_formula: str | None = None
    tolerance: float = BIAS_TOLERANCE
    limits: dict[str, float] = field(default_factory=dict)

    @property
    def variance_error(self) -> float | None:
        """|enumerated − predicted| / predicted, None where there is no prediction."""
        if self.predicted is None:
            return None
        # where no cut is ever made both are zero, up to the rounding of squares
        return abs(self.variance - self.predicted) / self.predicted if self.predicted else 0.0

    @property
    def certified(self) -> bool:
        """Whether nothing but rounding separates the mean from full BPTT, the variance from its formula."""
        return self.reason is None

    @property
    def blunt(self) -> bool:
        """Whether the mean is drawn, and so few are the draws that half of a gradient could be missing."""
        return max(self.limits.values(), default=0.0) > BLUNT

    def biased(self, name: str) -> bool:
        """Whether a parameter's mean gradient is off by more than may be."""
        return not self.bias[name] < self.limits.get(name, self.tolerance)  # nan is no proof

    @property
    def reason(self) -> str | None:
        """Why it is refuted; None if it is not."""
        error = self.variance_error
        if self.misdrawn is not None:
            return self.misdrawn
        if any(self.biased(name) for name in self.bias):
            return self.promise or "the mean over all ways to cut is not full BPTT's gradient"
        if error is not None and not error < VARIANCE_TOLERANCE:
            return "the variance is not the formula's"
        return None


def enumerate_outcomes(
    loop: Loop, drawing: Drawing, full: Gradients, *, each: Callable[[Pass], object] = lambda found: None
) -> Exact:
    """Weighs the gradient of every outcome with its probability: E ĝ, and E‖ĝ − E ĝ‖².

    Of a truncation scheme it first asks whether lengths are drawn with the hazard's probabilities. If they are not,
    each way to cut is weighed with the probability that it does have, so that the bias is the one that training would
    see. The segments are those that a training loop is handed where these lengths are drawn.

    `full` is g; parameters beyond it are left out. `each` is called with the pass of each outcome.
    """
    scheme, wrong = scheme_of(drawing), None
    weighed: Iterable[tuple[tuple[Any, ...], float]] = drawing.outcomes(loop.steps)
    if scheme is not None:
        lengths = Lengths.promised(scheme, loop.steps)
        wrong = misdrawn(drawing, lengths)
        if wrong is not None:
            lengths = measured(drawing, loop.steps)
            weighed = lengths.outcomes(scheme)
    mean: Gradients = {name: torch.zeros_like(g) for name, g in full.items()}
    whole, second, patterns = flat(full), 0.0, 0
    for outcome, probability in weighed:
        patterns += 1
        draws: Iterable[Draw] = outcome
        if scheme is not None:
            draws, otherwise = redrawn(drawing, lengths, outcome)
            wrong = wrong or otherwise
        found = pass_over(loop, draws)
        gradients = {name: found.gradient[name] for name in full}
        for name, part in gradients.items():
            mean[name] += probability * part
        second += probability * float((flat(gradients) - whole).square().sum())
        each(found)
    # around g and not around 0: squares of small numbers keep their digits
    variance = max(second - float((flat(mean) - whole).square().sum()), 0.0)
    return Exact(patterns=patterns, bias=relative_bias(mean, full), variance=variance, misdrawn=wrong)


def total_size(full: Gradients) -> float:
    """Norm of the gradient of all parameters, which must not be 0: nothing would be shown by a mean of zeros."""
    size = float(flat(full).norm())
    if size == 0.0:
        raise UserError(
            "no gradient reaches any parameter in these steps, so nothing is tested; take more verify.steps"
        )
    return size


def relative_bias(mean: Gradients, full: Gradients) -> dict[str, float]:
    """‖mean − full‖ / ‖full‖ for each parameter; of one without a gradient, relative to the whole gradient."""
    whole = float(flat(full).norm())
    bias = {}
    for name, wanted in full.items():
        off, size = float((mean[name] - wanted).norm()), float(wanted.norm())
        scale = size if size > NO_GRADIENT * whole else whole
        bias[name] = off / scale if scale else (0.0 if off == 0 else float("inf"))
    return bias


def certify(subject: Subject, *, each: Callable[[Pass], object] = lambda found: None) -> Exact:
    """Enumerates all outcomes of the subject's method, in float64 on a short sequence, and predicts their variance."""
    full, scheme, steps = full_bptt(subject.model, subject.task), subject.scheme, subject.task.steps
    total_size(full.gradient)
    found = enumerate_outcomes(subject.loop, subject.method, full.gradient, each=each)
    promise = known_bias(subject)
    if subject.method.claim(steps) is Claim.SIGNS:
        found = replace(found, tolerance=SIGNS_TOLERANCE)
    if scheme is None:
        return replace(found, promise=promise, no_formula=f"method={subject.method.name} does not cut")
    no_formula = promise or (found.misdrawn and "lengths are drawn with other probabilities")
    if scheme.first is not None:
        no_formula = no_formula or "the first segment is drawn otherwise than the others"
    if no_formula:
        return replace(found, promise=promise, no_formula=no_formula)
    if subject.boundary is not None:
        full = short_of(full, subject.boundary, subject.model)
    crossings = squared_crossings(subject.model, full, carry_factors(scheme, steps - 1))
    return replace(found, predicted=exact_variance(scheme, steps, crossings))


def known_bias(subject: Subject) -> str | None:
    """Why the method cannot be unbiased on the subject's task, None if it can."""
    scheme, steps = subject.scheme, subject.task.steps
    if subject.beside:
        return f"{subject.beside} changes the gradient that is estimated"
    truncate = subject.model.truncate
    if truncate is not None and truncate < steps:
        return f"the model itself lets no gradient through every {truncate} steps (model.truncate)"
    if scheme is None:
        biased = subject.method.claim(steps) is Claim.BIASED
        return f"method={subject.method.name} is biased, as it says itself" if biased else None
    if not can_cut(scheme, steps):
        return None
    if not subject.task.carry_state:
        return (
            "the state is reset at cuts (task.carry_state=false): each segment is a sequence of its own, and the mean "
            "over them is the gradient of another objective than the whole sequence's"
        )
    return why_biased(scheme, steps)
