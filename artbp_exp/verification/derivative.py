"""Whether the gradient of the uncut sequence is the derivative of its loss: asked of the forward pass alone."""

import torch

from artbp_exp.verification.body import Body
from artbp_exp.verification.float64_mode import real
from artbp_exp.verification.stretch import flat

DIFFERENCE = 1e-6
"""Length of the step of a finite difference."""

DERIVATIVE = 1e-3
"""Relative error that a finite difference is forgiven: a kink of a ReLU may lie within it."""


def underivable(body: Body) -> str | None:
    """A finite difference in one direction for each parameter. Returns what is wrong, None if nothing is.

    ⟨g, v⟩ = (ℓ(θ + hv) − ℓ(θ − hv)) / 2h + O(h²), v half along g and half at random, real and imaginary parts being
    numbers of their own. Rows of an embedding that its `padding_idx` keeps from learning are left where they are.
    """
    gradient = body.uncut().gradient
    whole = float(flat(gradient).norm())
    generator = torch.Generator().manual_seed(0)
    worst, where = 0.0, ""
    for name, parameter in body.parameters.items():
        g = gradient[name]
        v = torch.randn(g.shape, generator=generator, dtype=torch.float64).to(g.device)
        v = v / v.norm()
        if g.norm() > 0:
            v = v + g / g.norm()
        if name in body.padding:
            v[body.padding[name]] = 0
        values = []
        place = real(parameter.detach())
        before = place.clone()
        for sign in (1.0, -1.0):
            place.copy_(before + sign * DIFFERENCE * v)
            values.append(body.value())
        place.copy_(before)
        off = abs((values[0] - values[1]) / (2 * DIFFERENCE) - float((g * v).sum()))
        # in units of what is forgiven
        size = off / (DERIVATIVE * float(g.norm()) + 0.01 * DERIVATIVE * whole)
        if size > max(worst, 1.0):
            worst, where = size, name
    if not where:
        return None
    return (
        f"the gradient of the uncut sequence is not the derivative of its loss: at {where} a finite difference says "
        f"otherwise, so a state, or part of one, is detached inside a segment; or something else changes the gradient "
        f"(a factor other than segment.factor(t), a hook, nn.Embedding's padding_idx) or the parameter (max_norm). "
        f"If it is meant (surrogate gradients, straight-through estimators), derivative=False leaves this check out"
    )
