"""Matrix products by oneDNN where it is faster than `torch.mm`: a weight used at every step, a sum over all steps."""

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
        times: how often it will be called; reordering pays for itself after a few.
    """

    def __init__(self, weight: Tensor, *, rows: int, times: int) -> None:
        self._packed: Tensor | None = None
        if weight.numel() >= WORTH_REORDERING and times >= 4 and has_onednn(weight):
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
        else:
            self._weight = weight.t()
            self._out = weight.new_empty(rows, weight.shape[0])

    def __call__(self, x: Tensor) -> Tensor:
        """The product; the result may be overwritten by the next call."""
        if self._packed is not None:
            return onednn_product(dense(x), self._packed)
        return torch.mm(x, self._weight, out=self._out)


def over_time(gradients: Tensor, entering: Tensor) -> Tensor:
    """Σ_t gradients_tᵀ entering_t, (n, B, O) and (n, B, I) → (O, I), as one matrix product."""
    left, right = (dense(tensor.flatten(0, 1)).t() for tensor in (gradients, entering))
    if not over_time_by_onednn(left):
        return torch.mm(left, right.t())
    # faster with the shorter side as rows of the result
    if left.shape[0] < right.shape[0]:
        return onednn_product(left, right)
    return onednn_product(right, left).t()


def over_time_by_onednn(matrix: Tensor) -> bool:
    """Whether `over_time` calls oneDNN itself: in bfloat16 `torch.mm` does."""
    return matrix.dtype == torch.float32 and has_onednn(matrix)


def dense(matrix: Tensor) -> Tensor:
    """The matrix itself where its rows or columns lie side by side, else a copy.

    For others oneDNN takes a path a thousand times slower without a word.
    """
    return matrix if matrix.is_contiguous() or matrix.t().is_contiguous() else matrix.contiguous()


def onednn_product(x: Tensor, weight: Tensor) -> Tensor:
    """x Wᵀ by oneDNN, for x and W that are `dense`, or W in its blocked layout."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, None, "none", [], "")
    return product


def has_onednn(tensor: Tensor) -> bool:
    """Whether oneDNN's product is there for this tensor."""
    return (
        tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.bfloat16)
        and torch.backends.mkldnn.is_available()
        and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
        and hasattr(torch.ops.mkldnn, "_linear_pointwise")
    )
