"""Several processes train one model on a share of the streams each: they must cut at the same steps."""

import secrets
from typing import Any

import numpy as np
import torch.distributed

from artbp_exp import checks
from artbp_exp.errors import UserError


def shared_rng(seed: int | None = None) -> np.random.Generator:
    """A random stream of cuts that is the same on every process of the default process group.

    Rank 0's seed is sent to the others, once; from then on equal draws need no messages (a scheme takes one number a
    segment, whatever comes out). With equal cuts, DistributedDataParallel's mean of the ranks' gradients is that of
    one process with all the streams. Without a process group it is `np.random.default_rng(seed)`.

    Args:
        seed: a whole number ≥ 0, alike on every rank; None takes a fresh one from the operating system, on rank 0.

    Raises:
        UserError: `seed` is not a whole number ≥ 0; or the ranks have different seeds: each would cut elsewhere, and
            their gradients not belong together.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return np.random.default_rng(_entropy(seed))
    theirs: list[Any] = [None] * torch.distributed.get_world_size()
    # every rank learns every seed before it looks at them, so that all stop at a mistake and none is left waiting
    torch.distributed.all_gather_object(theirs, seed)
    if any(other != theirs[0] for other in theirs):
        raise UserError(f"shared_rng needs the same seed on every rank; got {theirs}: give each the same, or none")
    sent = [_entropy(seed)]
    torch.distributed.broadcast_object_list(sent, src=0)
    return np.random.default_rng(sent[0])


def _entropy(seed: int | None) -> int:
    if seed is None:
        return secrets.randbits(128)
    return checks.whole("seed of shared_rng", seed)
