"""An estimate of the smoothed loss's gradient, held against that gradient: both drawn, so a comparison of two means.

A method that perturbs its parameters by ε_w ~ N(0, σ²) in each window w estimates the gradient of E Σ_w L_w(θ + ε_w).
Here that gradient is E ∇_θ Σ_w L_w(θ + ε_w), by full BPTT through drawn ε, which has little noise and knows nothing of
particles. What is compared are projections on its direction, for each parameter; of one without a gradient, on the
direction of half the draws, which the other half must not share.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from artbp_exp.methods.online.stepping import Step
from artbp_exp.training.gradient import Gradients, Pass
from artbp_exp.verification.enumeration import (
    BIAS_TOLERANCE,
    NO_GRADIENT,
    Exact,
    Subject,
    certify,
    pass_over,
    total_size,
)

DRAWS, PAIRS = 60, 200
"""Draws of the estimate, and pairs ±ε of the gradient it is held against."""

DEVIATIONS = 4.0
"""Standard errors beyond which two means differ: one false alarm in ten thousand."""


def certify_smoothed(subject: Subject, *, each: Callable[[Pass], object] = lambda found: None) -> Exact:
    """Compares the mean of `DRAWS` draws of the subject's method with the smoothed loss's gradient.

    Its method has `smoothing`: (σ, K), K steps a window. `each` is called with the pass of each draw.
    """
    rng = np.random.default_rng(0)
    wanted = [_smoothed(subject, rng) for _ in range(PAIRS)]
    found = []
    for _ in range(DRAWS):
        one = pass_over(subject.loop, (draw for _, draw in subject.method.draws(subject.task.steps, rng)))
        each(one)
        found.append(one.gradient)
    truth, drawn = (
        {name: torch.stack([one[name].flatten() for one in part]) for name in wanted[0]} for part in (wanted, found)
    )
    whole = total_size({name: part.mean(0) for name, part in truth.items()})
    bias, limits = dict[str, float](), dict[str, float]()
    for name, part in truth.items():
        bias[name], limits[name] = _off(part, drawn[name], whole)
    variance = sum(float(part.var(0).sum()) for part in drawn.values())
    return Exact(
        patterns=DRAWS,
        bias=bias,
        limits=limits,
        variance=variance,
        misdrawn=None,
        promise="the mean of the draws is not the smoothed loss's gradient",
        no_formula="it is drawn",
    )


def _off(truth: Tensor, drawn: Tensor, whole: float) -> tuple[float, float]:
    """(Distance of two means along a direction, what it may be by chance), relative to the parameter's gradient.

    `truth` are gradients of the smoothed loss, (`PAIRS`, P), `drawn` those of the method, (`DRAWS`, P). Of a parameter
    without a gradient it is relative to that of all, of size `whole`.
    """
    direction = truth.mean(0)
    scale = float(direction.norm())
    if scale <= NO_GRADIENT * whole:
        first, drawn = drawn.chunk(2)
        direction, scale = first.mean(0), whole
    length = float(direction.norm())
    if length == 0.0:
        return float(drawn.mean(0).norm()) / whole, BIAS_TOLERANCE
    along, expected = ((part @ direction / (length * scale)).numpy() for part in (drawn, truth))
    error = np.sqrt(along.var(ddof=1) / len(along) + expected.var(ddof=1) / len(expected))
    return float(abs(along.mean() - expected.mean())), max(float(DEVIATIONS * error), BIAS_TOLERANCE)


def certify_claim(subject: Subject, *, each: Callable[[Pass], object] = lambda found: None) -> Exact:
    """Holds a method to what it claims: by drawing where it smooths its loss, else by every outcome."""
    return (certify_smoothed if hasattr(subject.method, "smoothing") else certify)(subject, each=each)


def _smoothed(subject: Subject, rng: np.random.Generator) -> Gradients:
    """½ Σ_± ∇_θ Σ_w L_w(θ ± ε_w), with one ε a window."""
    model, task, method = subject.model, subject.task, subject.method
    sigma, window = method.smoothing  # type: ignore[attr-defined]  # of a method that claims to smooth
    named, moved = dict(model.named_parameters()), model.recurrent_parameters()
    count = -(-task.steps // window)
    noise = [
        {name: sigma * torch.from_numpy(rng.standard_normal(tuple(p.shape))) for name, p in moved.items()}
        for _ in range(count)
    ]
    total = torch.zeros((), dtype=torch.float64)
    for sign in (1.0, -1.0):
        state = model.init_state(task.batch_size)
        for t in range(task.steps):
            inputs, targets = task.window(t, t + 1)
            shifted = {f"model.{name}": p + sign * noise[t // window][name] for name, p in moved.items()}
            output, state = functional_call(Step(model), shifted, (inputs[0], state))
            total = total + 0.5 * task.loss(model.decode(output[None]), targets)
    gradients = torch.autograd.grad(total, list(named.values()), materialize_grads=True)
    return {name: one.detach() for name, one in zip(named, gradients, strict=True)}
