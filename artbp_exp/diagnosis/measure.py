"""Measures one method at fixed parameters: many draws of its gradient, held against the true one."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.diagnosis.bootstrap import certain, measures, products
from artbp_exp.methods.base import Draw, Method
from artbp_exp.theory.exact_variance import Crossings
from artbp_exp.theory.predicted_variance import predicted_variance
from artbp_exp.theory.stored_steps import drawn_stored_steps
from artbp_exp.theory.survival import hazards
from artbp_exp.theory.unbiased import is_unbiased
from artbp_exp.training.gradient import Gradients, Loop
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.verification.enumeration import pass_over

MOST_OFFSETS = 8
"""Offsets of the cuts at which a method that draws nothing is measured, at most."""

LEAST_DRAWS = 8
"""Gradients whatever the time: the bootstrap interval of fewer is too narrow."""

ENDS = ("", "_low", "_high")
NOT_PREDICTED = {
    **{f"predicted{end}": math.nan for end in (*ENDS, "_se", "_rare")},
    **{f"{name}{end}": math.nan for name in ("kappa", "sharing_cost") for end in ENDS},
}
NOT_STORED = dict.fromkeys(
    ("mean_length", "stored_mean", "stored_mean_theory", "stored_peak", "kept_mean", "kept_peak", "recomputed"),
    math.nan,
)


def measure(
    loop: Loop,
    method: Method | Scheme,
    truth: Tensor,
    *,
    crossed: Crossings | None,
    streams: int,
    draws: int,
    starts: int,
    batch_size: int,
    rng: np.random.Generator,
    enough: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Bias, variance (measured and predicted), cosine, κ, and what the method stores, as columns of `methods.csv`.

    Args:
        loop: at θ.
        method: whose draws `loop` runs.
        truth: full BPTT's gradient, shape (P,).
        crossed: what cuts take away; None predicts nothing.
        streams: in `crossed`.
        draws: gradients; a method that draws nothing takes one for each offset of its cuts instead.
        starts: beginnings from which the variance is predicted.
        batch_size: streams B at which κ is turned into a factor.
        rng: of the draws, the bootstrap and the beginnings.
        enough: asked after each gradient whether to stop; a method that draws takes at least `LEAST_DRAWS`.
    """
    scheme = method if isinstance(method, Scheme) else getattr(method, "scheme", None)
    random = is_random(scheme, loop.steps)
    outcomes: Iterable[Iterable[Draw]]
    if scheme is None or random:
        outcomes = (drawn(method, loop.steps, rng) for _ in range(draws))
    else:
        outcomes = at_offsets(scheme, loop.steps)
    gradients: list[Tensor] = []
    for outcome in outcomes:
        gradients.append(vector(loop, outcome).to(truth.dtype))
        if len(gradients) >= (LEAST_DRAWS if random else 1) and enough():
            break
    found = products(gradients, truth)
    unbiased = scheme is not None and random and is_unbiased(scheme, loop.steps)
    statistics = measures(found, rng=rng) if random else certain(found)
    row: dict[str, Any] = {"unbiased": unbiased, "draws": len(gradients), **statistics, **NOT_PREDICTED}
    if scheme is None:
        return row | NOT_STORED
    if crossed is not None and is_predicted(scheme, loop.steps):
        formula = predicted_variance(scheme, loop.steps, crossed, streams=streams, starts=starts, draws=draws, rng=rng)
        row |= {
            "predicted": formula.variance / found.size,
            "predicted_low": formula.low / found.size,
            "predicted_high": formula.high / found.size,
            "predicted_se": formula.error / found.size,
            "predicted_rare": formula.rare,
        }
        for end, kappa in zip(ENDS, (formula.kappa, formula.kappa_low, formula.kappa_high), strict=True):
            # κ is a ratio of squares, only its estimate can be below 0 (np.maximum passes nan on)
            row |= {f"kappa{end}": kappa, f"sharing_cost{end}": float(1 + (batch_size - 1) * np.maximum(kappa, 0))}
    return row | drawn_stored_steps(scheme, rng)


def drawn(method: Method | Scheme, steps: int, rng: np.random.Generator) -> Iterator[Draw]:
    """The draws of one pass over `steps` steps."""
    pairs = method.segments(steps, rng) if isinstance(method, Scheme) else method.draws(steps, rng)
    return (draw for _, draw in pairs)


def at_offsets(scheme: Scheme, steps: int) -> list[tuple[Segment, ...]]:
    """The segments of a scheme of fixed length L with its cuts moved along the data, as the bias depends on where.

    Returns:
        A pass for each of up to 8 lengths of the first segment, spread evenly over 1 … L; the last one is L itself.
        For full BPTT its only pass.
    """
    length = steps if scheme.length is None else int(scheme.length)
    count = 1 if scheme.length is None else min(MOST_OFFSETS, length)
    rng = np.random.default_rng(0)  # every cut is certain
    passes = []
    for k in range(1, count + 1):
        first = scheme.segment(min(length * k // count, steps))
        left = steps - first.length
        rest = [segment for _, segment in scheme.segments(left, rng)] if left else []
        passes.append((first, *rest))
    return passes


def vector(loop: Loop, outcome: Iterable[Draw]) -> Tensor:
    """The gradient of all parameters of one pass, shape (P,); UserError if it is not finite."""
    return as_vector(pass_over(loop, outcome).gradient)


def as_vector(gradients: Gradients) -> Tensor:
    """All parameters' gradients as one vector in their own dtype, shape (P,)."""
    return torch.cat([one.flatten() for one in gradients.values()])


def is_random(scheme: Scheme | None, steps: int) -> bool:
    """Whether any cut within `steps` steps is neither certain nor impossible; so is what has no scheme."""
    if scheme is None:
        return True
    each = [hazards(one, steps - 1) for one in (scheme, scheme.at(0))]
    return any((hazard * (1 - hazard)).any() for hazard in each)


def is_predicted(scheme: Scheme | None, steps: int) -> bool:
    """Whether the exact formula has the variance: it takes all segments of a pass to be drawn alike."""
    if scheme is None or scheme.first is not None:
        return False
    return is_random(scheme, steps) and is_unbiased(scheme, steps)
