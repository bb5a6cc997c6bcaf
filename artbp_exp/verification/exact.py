"""Exact certification: every way to cut a short sequence, with its probability, in float64."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from artbp_exp.theory.exact_variance import exact_variance
from artbp_exp.theory.survival import carry_factors
from artbp_exp.theory.unbiased import can_cut, why_biased
from artbp_exp.training.gradient import Gradients
from artbp_exp.verification.lengths import along, measured, misdrawn, promised
from artbp_exp.verification.oracle import Full, full_bptt, squared_crossings
from artbp_exp.verification.probe import Probe
from artbp_exp.verification.stretch import flat

BIAS_TOLERANCE = 1e-12
"""Relative to the gradient of a parameter: rounding in float64, and nothing else."""

VARIANCE_TOLERANCE = 1e-9
"""Relative: squares of differences lose more digits."""


@dataclass(frozen=True, kw_only=True)
class Exact:
    """What enumeration found.

    Attributes:
        patterns: ways to cut that have a probability above 0.
        bias: parameter → ‖E ĝ − g‖ / ‖g‖, the mean over the cuts as they are drawn.
        variance: E‖ĝ − E ĝ‖², enumerated.
        predicted: Σ_t E[c_t/(1 − c_t)·‖ε_t G_t‖²]; None where the formula does not hold: see `no_formula`.
        misdrawn: how lengths are drawn otherwise than the hazard says; None if they are not.
        promise: why the method is biased as it is set up, by its own account; None if it is not.
        no_formula: why there is no prediction.
    """

    patterns: int
    bias: dict[str, float]
    variance: float
    predicted: float | None
    misdrawn: str | None
    promise: str | None
    no_formula: str | None

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
    def reason(self) -> str | None:
        """Why it is refuted; None if it is not."""
        error = self.variance_error
        if self.misdrawn is not None:
            return self.misdrawn
        if max(self.bias.values()) >= BIAS_TOLERANCE:
            return self.promise or "the mean over all ways to cut is not full BPTT's gradient"
        if error is not None and error >= VARIANCE_TOLERANCE:
            return "the variance is not the formula's"
        return None


def known_bias(probe: Probe) -> str | None:
    """Why the method cannot be unbiased on the probe's task, None if it can."""
    scheme, steps = probe.scheme, probe.task.steps
    if not can_cut(scheme, steps):
        return None
    if not probe.task.carry_state:
        return "the state is reset at cuts: cuts change the forward pass, so the expectation is not full BPTT's"
    return why_biased(scheme, steps)


def certify(probe: Probe, *, each: Callable[[], object] = lambda: None) -> Exact:
    """Enumerates all cuts of the probe's task; its model should be in float64.

    Probabilities are the hazard's; lengths, factors, losses and gradients are those of the learner that trains. First
    the learner is asked whether it draws lengths with these probabilities. If it does not it is refuted, and each way
    to cut is weighed with the probability that it does have, so that the bias is the one that training would see.
    `each` is called after each way to cut.
    """
    full = full_bptt(probe.model, probe.task)
    lengths = promised(probe.scheme, probe.task.steps)
    wrong = misdrawn(probe, lengths)
    if wrong is not None:
        lengths = measured(probe)
    mean: Gradients = {name: torch.zeros_like(g) for name, g in full.gradient.items()}
    second = 0.0
    patterns = 0
    for pattern, probability in lengths.patterns():
        patterns += 1
        gradients, otherwise = along(probe, lengths, pattern)
        wrong = wrong or otherwise
        for name, gradient in gradients.items():
            mean[name] += probability * gradient
        second += probability * float((flat(gradients) - flat(full.gradient)).square().sum())
        each()
    # around g and not around 0: squares of small numbers keep their digits
    variance = second - float((flat(mean) - flat(full.gradient)).square().sum())
    promise = known_bias(probe)
    no_formula = promise or (wrong and "lengths are drawn with other probabilities")
    return Exact(
        patterns=patterns,
        bias=relative_bias(mean, full.gradient),
        variance=max(variance, 0.0),
        predicted=None if no_formula else _formula(probe, full),
        misdrawn=wrong,
        promise=promise,
        no_formula=no_formula,
    )


def relative_bias(mean: Gradients, full: Gradients) -> dict[str, float]:
    """‖mean − full‖ / ‖full‖ for each parameter; where a parameter has no gradient at all, 0 or infinite."""
    bias = {}
    for name, wanted in full.items():
        off, size = float((mean[name] - wanted).norm()), float(wanted.norm())
        bias[name] = off / size if size else (0.0 if off == 0 else float("inf"))
        if not np.isfinite(off):
            bias[name] = float("inf")
    return bias


def _formula(probe: Probe, full: Full) -> float:
    """Σ_{t<T} E[c_t/(1 − c_t)·‖ε_t G_t‖²], without enumerating patterns."""
    scheme, steps = probe.scheme, probe.task.steps
    return exact_variance(scheme, steps, squared_crossings(probe.model, full, carry_factors(scheme, steps - 1)))
