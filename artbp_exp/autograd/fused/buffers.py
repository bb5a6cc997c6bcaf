"""Buffers of a segment, used again by the next: fresh memory costs a page fault every 4 kB."""

import threading

import torch
from torch import Tensor

Key = tuple[torch.dtype, torch.device, tuple[int, ...]]

KEPT = 4
"""Buffers of one kind that are kept for later; more are live only where several segments are under way at once."""

_lock = threading.Lock()
_free: dict[Key, list[Tensor]] = {}


def take(steps: int, rows: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """An uninitialised buffer (steps, *rows), a kept one if there is one long enough."""
    with _lock:
        kept = _free.get((dtype, device, rows), [])
        for index, buffer in enumerate(kept):
            if len(buffer) >= steps:
                return kept.pop(index)[:steps]
        # one that is too short would only be in the way
        kept[:] = kept[1:]
    return torch.empty(steps, *rows, dtype=dtype, device=device)


def give_back(buffer: Tensor) -> None:
    """Hands a buffer from `take` back; nobody may read it any more."""
    whole = buffer if buffer._base is None else buffer._base
    with _lock:
        kept = _free.setdefault((whole.dtype, whole.device, tuple(whole.shape[1:])), [])
        if len(kept) < KEPT:
            kept.append(whole)
