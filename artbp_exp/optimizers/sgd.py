"""Plain stochastic gradient descent with the paper's decreasing learning rate."""

import math
from collections.abc import Iterable

import torch

from artbp_exp import checks
from artbp_exp.optimizers.base import Updater


def build(
    *,
    lr: float,
    decay: str = "sqrt",
    clip: float | None = None,
    parameters: Iterable[torch.nn.Parameter],
) -> Updater:
    """θ ← θ − η_t ĝ with η_t = η/√(1 + t), t in steps (Tallec & Ollivier 2017, section 6.1).

    Args:
        lr: η.
        decay: `sqrt` for η/√(1 + t), `none` for η.
        clip: largest gradient norm; null never clips.
        parameters: what to update.

    Raises:
        UserError: `lr` or `clip` is not a number > 0, or an unknown decay.
    """
    checks.choice("optimizer.decay", decay, ["sqrt", "none"])
    optimizer = torch.optim.SGD(parameters, lr=checks.number("optimizer.lr", lr, above=0))
    return Updater(
        optimizer,
        rate=inverse_sqrt if decay == "sqrt" else None,
        clip=None if clip is None else checks.number("optimizer.clip", clip, above=0),
        plain=True,
    )


def inverse_sqrt(step: int) -> float:
    """1/√(1 + t)."""
    return 1.0 / math.sqrt(1.0 + step)
