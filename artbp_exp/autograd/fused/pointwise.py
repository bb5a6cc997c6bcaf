"""The element-wise part of a step: compiled by Numba where it is installed, else torch operators."""

import importlib.util
from functools import cache
from typing import Any, Protocol

import torch


class Pointwise(Protocol):
    """Element-wise kernels, one forward and one backward for each cell; see `fused/compiled` for their arguments.

    Buffers go in as `view(tensor)`. The kernels write into them and return nothing.
    """

    view: Any
    rnn_forward: Any
    rnn_backward: Any
    lstm_forward: Any
    lstm_backward: Any
    gru_forward: Any
    gru_backward: Any
    authors_mix: Any
    authors_mix_backward: Any
    authors_forward: Any
    authors_backward: Any


def pointwise(device: str, dtype: torch.dtype) -> Pointwise:
    """The kernels for tensors on `device`: compiled ones on CPU if Numba is installed, else torch operators."""
    compiled = device == "cpu" and dtype in (torch.float32, torch.float64) and has_numba()
    kernels: Pointwise = _load("compiled" if compiled else "operators")
    return kernels


@cache
def has_numba() -> bool:
    """Whether the `fast` extra is installed."""
    return importlib.util.find_spec("numba") is not None


@cache
def _load(name: str) -> Any:
    return importlib.import_module(f"artbp_exp.autograd.fused.{name}")
