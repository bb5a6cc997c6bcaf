"""The product of a step's rows with a recurrent weight, repeated over a segment."""

import torch
from torch import Tensor

WORTH_REORDERING = 1 << 16
"""Entries of a weight from which oneDNN's blocked layout is faster than the plain product."""


class Product:
    """x (B, in) ↦ x Wᵀ (B, out).

    On CPU, large weights are brought once a segment into the blocked layout of oneDNN's product: what
    `torch.compile` calls, too. Elsewhere, and for small weights or short segments, it is `torch.mm`.

    Args:
        weight: (out, in).
        rows: B.
        dtype: of the product.
        times: how often it will be called; reordering pays for itself after a few.
    """

    def __init__(self, weight: Tensor, *, rows: int, dtype: torch.dtype, times: int) -> None:
        weight = weight.detach().to(dtype)
        self._packed: Tensor | None = None
        if weight.numel() >= WORTH_REORDERING and times >= 4 and _reorders(weight):
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
        else:
            self._weight = weight.t()
            self._out = weight.new_empty(rows, weight.shape[0])

    def __call__(self, x: Tensor) -> Tensor:
        """The product; the result may be overwritten by the next call."""
        if self._packed is not None:
            product: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, None, "none", [], "")
            return product
        return torch.mm(x, self._weight, out=self._out)


def _reorders(weight: Tensor) -> bool:
    """Whether oneDNN's reordered product is there for this weight."""
    return (
        weight.device.type == "cpu"
        and weight.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
