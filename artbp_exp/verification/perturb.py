"""Moves parameters a little, so that what an initialisation has closed is open, and can be tested."""

import torch

from artbp_exp.verification.body import Body
from artbp_exp.verification.float64_mode import real

SIZES = (0.1, 0.01)
"""Sizes that are tried, relative to a parameter's root mean square; absolute where all of it is 0."""


def nudge(body: Body) -> None:
    """Adds small Gaussian numbers, always the same ones, to every parameter.

    At its initial value a gate may be 0, and no gradient flows through what lies behind it: a factor that is forgotten
    there is seen only after the first update. Unbiasedness holds at any parameters, so a loop that is right loses
    nothing. Where the loop does not run at the moved parameters (a decay that leaves (0, 1), say), a smaller size is
    tried, and in the end none.
    """
    before = {name: parameter.detach().clone() for name, parameter in body.parameters.items()}
    for size in SIZES:
        _move(body, size)
        try:
            body.uncut()
        except Exception:  # whatever the user's code says of parameters that are not the user's
            with torch.no_grad():
                for name, parameter in body.parameters.items():
                    parameter.copy_(before[name])
        else:
            return


def _move(body: Body, size: float) -> None:
    generator = torch.Generator().manual_seed(0)
    for parameter in body.parameters.values():
        values = real(parameter.detach())
        noise = torch.randn(values.shape, generator=generator, dtype=torch.float64).to(values.device)
        scale = float(values.square().mean().sqrt())
        values.add_(size * (scale or 1.0) * noise)
