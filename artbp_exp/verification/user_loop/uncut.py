"""Checks of the uncut sequence alone: its derivative, gradient checkpointing, and the mode of the model."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from artbp_exp.errors import UserError
from artbp_exp.training.gradient import Pass, flat
from artbp_exp.verification.enumeration import BIAS_TOLERANCE, pass_over, real
from artbp_exp.verification.user_loop.segment_loss import UserLoop, plain

DIFFERENCE = 1e-6
"""Step of a finite difference."""

DERIVATIVE_TOLERANCE = 1e-3
"""Relative error allowed to a finite difference: the kink of a ReLU may lie within it."""


def not_the_derivative(loop: UserLoop, full: Pass, padding: Mapping[str, int]) -> str | None:
    """Whether the uncut gradient is the derivative of the loss, asked of the forward pass alone; None if it is.

    ⟨g, v⟩ = (ℓ(θ + hv) − ℓ(θ − hv)) / 2h + O(h²), one v for each parameter, half along g and half random; real and
    imaginary parts are numbers of their own. The row of an embedding that `padding_idx` names stays where it is.
    """
    whole = float(flat(full.gradient).norm())
    generator = torch.Generator().manual_seed(0)
    worst, where = 0.0, ""
    for name, parameter in loop.parameters.items():
        g = full.gradient[name]
        v = torch.randn(g.shape, generator=generator, dtype=torch.float64).to(g.device)
        v = v / v.norm()
        if g.norm() > 0:
            v = v + g / g.norm()
        if name in padding:
            v[padding[name]] = 0
        place = real(parameter.detach())
        before, values = place.clone(), []
        for sign in (1.0, -1.0):
            place.copy_(before + sign * DIFFERENCE * v)
            values.append(loop.value())
        place.copy_(before)
        off = abs((values[0] - values[1]) / (2 * DIFFERENCE) - float((g * v).sum()))
        allowed = DERIVATIVE_TOLERANCE * (float(g.norm()) + 0.01 * whole)
        if off > max(worst, 1.0) * allowed:
            worst, where = off / allowed, name
    if not where:
        return None
    return (
        f"the gradient of the uncut sequence is not the derivative of its loss: at {where} a finite difference says "
        f"otherwise, so a state, or part of one, is detached inside a segment; or something else changes the gradient "
        f"(a factor other than segment.factor(t), a hook, nn.Embedding's padding_idx) or the parameter (max_norm). "
        f"If it is meant (surrogate gradients, straight-through estimators), derivative=False leaves this check out"
    )


def padding_rows(module: nn.Module | None, parameters: Mapping[str, Tensor]) -> dict[str, int]:
    """Name of an embedding's weights → the row that its `padding_idx` keeps from learning."""
    return {
        name: part.padding_idx
        for part in (() if module is None else module.modules())
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.padding_idx is not None
        for name, parameter in parameters.items()
        if parameter is part.weight
    }


def recomputation(loop: UserLoop, full: Pass) -> str | None:
    """Whether gradient checkpointing changes the uncut gradient, or fails; None if neither."""
    try:
        found = pass_over(loop, [plain(loop.steps, memory=max(1, loop.steps // 3))])
    except UserError as error:
        what = f"fails: {error}"
    except Exception as error:  # torch's, or that of a step which does not run twice
        what = f"fails ({type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]})"
    else:
        whole = flat(full.gradient)
        off = float((flat(found.gradient) - whole).norm() / whole.norm())
        if off <= BIAS_TOLERANCE:
            return None
        what = f"changes the gradient by {off:.1e}"
    return (
        f"gradient checkpointing (a scheme with memory=…) {what}. It runs the steps of a long segment a second time, "
        f"and this loop's steps depend on more than their input and state (a counter, a buffer that they update, "
        f"parameters swapped by functional_call): keep memory=None, or move that into the state"
    )


def evaluating(module: nn.Module | None) -> str | None:
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
