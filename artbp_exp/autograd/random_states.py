"""The global random streams of torch, NumPy and Python: their states, and whether anything was drawn from them."""

import pickle
import random
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

_LEGACY: Any = np.random
"""NumPy's global stream, of which its stubs know half."""


class RandomStates:
    """The streams that code may draw from without being handed one.

    torch's are the CPU's and those of the GPUs that `tensors` lie on.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self._devices = sorted({t.device.index or 0 for t in tensors if t.device.type == "cuda"})

    def states(self) -> dict[str, Any]:
        """Whose stream → its state."""
        on_devices = [torch.cuda.get_rng_state(device) for device in self._devices]
        return {
            "torch": [torch.get_rng_state(), *on_devices],
            "NumPy": _LEGACY.get_state(legacy=False),
            "Python": random.getstate(),
        }

    def put_back(self, states: dict[str, Any]) -> None:
        """Sets the streams to states that `states` gave."""
        torch.set_rng_state(states["torch"][0])
        for device, state in zip(self._devices, states["torch"][1:], strict=True):
            torch.cuda.set_rng_state(state, device)
        _LEGACY.set_state(states["NumPy"])
        random.setstate(states["Python"])


def drawn(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Whose streams differ."""
    found = []
    if not all(torch.equal(a, b) for a, b in zip(before["torch"], after["torch"], strict=True)):
        found.append("torch")
    if pickle.dumps(before["NumPy"]) != pickle.dumps(after["NumPy"]):  # a nested dict with arrays in it
        found.append("NumPy")
    if before["Python"] != after["Python"]:
        found.append("Python")
    return found
