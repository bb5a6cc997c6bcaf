"""Adam (Kingma & Ba 2015)."""

from collections.abc import Iterable

import torch

from artbp_exp import checks
from artbp_exp.optimizers.base import Updater


def build(*, lr: float, clip: float | None = None, parameters: Iterable[torch.nn.Parameter]) -> Updater:
    """Adam with torch's defaults for everything but the learning rate.

    Args:
        lr: learning rate.
        clip: largest gradient norm; null never clips.
        parameters: what to update.

    Raises:
        UserError: `lr` or `clip` is not a number > 0.
    """
    # fused: one pass over the parameters, where torch's default makes a dozen
    optimizer = torch.optim.Adam(parameters, lr=checks.number("optimizer.lr", lr, above=0), fused=True)
    return Updater(
        optimizer,
        clip=None if clip is None else checks.number("optimizer.clip", clip, above=0),
    )
