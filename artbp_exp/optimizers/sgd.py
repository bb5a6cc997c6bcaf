"""Plain stochastic gradient descent with the paper's decreasing learning rate."""

import math
from collections.abc import Iterable

import torch

from artbp_exp import checks
from artbp_exp.optimizers.base import Updater
from artbp_exp.optimizers.schedule import make_schedule


def build(
    *,
    lr: float,
    decay: str = "sqrt",
    schedule: str = "constant",
    warmup: int = 0,
    clip: float | None = None,
    parameters: Iterable[torch.nn.Parameter],
    total_steps: int | None = None,
) -> Updater:
    """θ ← θ − η_t ĝ with η_t = η/√(1 + t), t in steps (Tallec & Ollivier 2017, section 6.1).

    Args:
        lr: η.
        decay: `sqrt` for η/√(1 + t), `none` for η.
        schedule: `constant`, `linear` or `cosine`, over the run's steps of data; it multiplies the decay.
        warmup: steps of data over which the learning rate rises from 0.
        clip: largest gradient norm; null never clips.
        parameters: what to update.
        total_steps: steps of data of the whole run.

    Raises:
        UserError: a value out of range, or an unknown decay or schedule.
    """
    checks.choice("optimizer.decay", decay, ["sqrt", "none"])
    optimizer = torch.optim.SGD(parameters, lr=checks.number("optimizer.lr", lr, above=0))
    return Updater(
        optimizer,
        rate=make_schedule(schedule, warmup, total_steps),
        decay=inverse_sqrt if decay == "sqrt" else None,
        clip=None if clip is None else checks.number("optimizer.clip", clip, above=0),
        plain=True,
    )


def inverse_sqrt(step: float) -> float:
    """1/√(1 + t)."""
    return 1.0 / math.sqrt(1.0 + step)
