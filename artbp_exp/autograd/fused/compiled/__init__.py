"""Element-wise kernels of a step on CPU, compiled by Numba.

Each loop runs along one row of H units and touches few arrays, so that LLVM can tell them apart and vectorise.
Shapes: table (V, gates·H), symbols (n, B), `rec` (B, gates·H) the recurrent product, gates (n, B, gates·H),
hidden and cells (n + 1, B, H), outputs' gradients (n, B, H), carried (B, H). `low_…` hold what enters the products;
in full precision they are the same arrays. A backward kernel adds to the table's gradient as it goes.
"""

from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd.fused.compiled.authors import (
    authors_backward,
    authors_forward,
    authors_mix,
    authors_mix_backward,
)
from artbp_exp.autograd.fused.compiled.gru import gru_backward, gru_forward
from artbp_exp.autograd.fused.compiled.lstm import lstm_backward, lstm_forward
from artbp_exp.autograd.fused.compiled.rnn import rnn_backward, rnn_forward

__all__ = [
    "authors_backward",
    "authors_forward",
    "authors_mix",
    "authors_mix_backward",
    "gru_backward",
    "gru_forward",
    "lstm_backward",
    "lstm_forward",
    "rnn_backward",
    "rnn_forward",
    "view",
]


def view(tensor: Tensor) -> Any:
    """The tensor's memory as a NumPy array; bfloat16 as 16-bit integers."""
    tensor = tensor.detach()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
