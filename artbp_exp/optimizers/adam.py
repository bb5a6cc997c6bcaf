"""Adam (Kingma & Ba 2015), in updates or in steps of data."""

from collections.abc import Iterable

import torch

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.optimizers.base import Updater
from artbp_exp.optimizers.length_aware import Adam
from artbp_exp.optimizers.schedule import make_schedule


def build(
    *,
    lr: float,
    length_aware: bool = False,
    length_scaling: bool = False,
    schedule: str = "constant",
    warmup: int = 0,
    clip: float | None = None,
    parameters: Iterable[torch.nn.Parameter],
    mean_length: float | None = None,
    total_steps: int | None = None,
) -> Updater:
    """Adam with torch's defaults for everything but the learning rate.

    Args:
        lr: learning rate.
        length_aware: estimate the second moment per step of data, so that a long segment does not pass for a large
            gradient (`length_aware.Adam`); false is torch's Adam.
        length_scaling: multiply the learning rate of a segment of N steps by N / the method's mean length.
        schedule: `constant`, `linear` or `cosine`, over the run's steps of data.
        warmup: steps of data over which the learning rate rises from 0.
        clip: largest gradient norm; null never clips.
        parameters: what to update.
        mean_length: of the method's segments, in steps; None where it has none.
        total_steps: steps of data of the whole run.

    Raises:
        UserError: a value out of range, or `length_aware` or `length_scaling` with a method without a mean length.
    """
    lr = checks.number("optimizer.lr", lr, above=0)
    aware = checks.flag("optimizer.length_aware", length_aware)
    scaled = checks.flag("optimizer.length_scaling", length_scaling)
    if mean_length is None and (aware or scaled):
        name = "length_aware" if aware else "length_scaling"
        raise UserError(
            f"optimizer.{name}=true needs a method with a mean segment length, tbptt or artbp say; take false"
        )
    # fused: one pass over the parameters, where torch's default makes a dozen
    optimizer = (
        Adam(parameters, lr, length=mean_length)
        if aware and mean_length is not None
        else torch.optim.Adam(parameters, lr=lr, fused=True)
    )
    return Updater(
        optimizer,
        rate=make_schedule(schedule, warmup, total_steps),
        clip=None if clip is None else checks.number("optimizer.clip", clip, above=0),
        reference=mean_length if scaled else None,
    )
