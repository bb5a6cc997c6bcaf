"""What a cell must define to run fused: its step forward and its step backward, on buffers of a whole segment."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd.fused.pointwise import Pointwise, pointwise
from artbp_exp.autograd.fused.product import Product


class Recurrence(ABC):
    """The recursion of one cell over one segment of n steps, B streams and H units.

    The base holds what every cell has: the table with the bias added, E[x] + b (V, gates·H); the hidden states h
    (n + 1, B, H), the first of which is the one before the segment; the buffer `gates` (n, B, gates·H), which holds
    activations on the way forward and pre-activation gradients on the way back.

    Matrix products are computed in `product_dtype`; where that is lower than the parameters' dtype, `low_hidden`
    and `low_gates` are the copies that enter them, else they are `hidden` and `gates` themselves.

    Attributes:
        parameters: names of the model's parameters, in the order in which their gradients are returned; the first
            two are `table` and `bias`.
        steps: n.
    """

    parameters: ClassVar[tuple[str, ...]]

    def __init__(
        self,
        *,
        symbols: Tensor,
        state: tuple[Tensor, ...],
        parameters: tuple[Tensor, ...],
        product_dtype: torch.dtype,
    ) -> None:
        table, bias = parameters[:2]
        self.steps, self.rows = symbols.shape
        self.size = state[0].shape[1]
        self.dtype, self.product_dtype = table.dtype, product_dtype
        self.kernels: Pointwise = pointwise(table.device.type, table.dtype)
        self.view: Any = self.kernels.view
        self._table = table
        self.hidden = table.new_empty(self.steps + 1, self.rows, self.size)
        self.hidden[0] = state[0]
        self.low_hidden = self.lowered(self.hidden, copy=True)
        self.v_table, self.v_symbols = self.view(table + bias), self.view(symbols.contiguous())
        self.v_hidden, self.v_low_hidden = self.view(self.hidden), self.view(self.low_hidden)

    def lowered(self, buffer: Tensor, *, copy: bool = False) -> Tensor:
        """`buffer` itself, or one like it in the dtype of the products (with its first row, if `copy`)."""
        if self.product_dtype == self.dtype:
            return buffer
        low = self.buffer(buffer.shape[2], steps=len(buffer), dtype=self.product_dtype)
        if copy:
            low[0] = buffer[0]
        return low

    def buffer(self, width: int, *, steps: int | None = None, dtype: torch.dtype | None = None) -> Tensor:
        """An uninitialised buffer (n, B, width)."""
        rows = (steps or self.steps, self.rows, width)
        return torch.empty(rows, dtype=dtype or self.dtype, device=self._table.device)

    def take_tensors(self) -> list[Tensor]:
        """Everything that the backward pass needs; it must be put back by `put_tensors` before that."""
        for name in [name for name, value in vars(self).items() if isinstance(value, Product)]:
            delattr(self, name)  # the backward pass takes the transposed weights
        self._names = {name for name, value in vars(self).items() if isinstance(value, Tensor)}
        self._arrays = {name for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return [_as_tensor(vars(self).pop(name)) for name in self._held()]

    def put_tensors(self, tensors: Iterable[Tensor]) -> None:
        """Puts back what `take_tensors` gave, or equal tensors."""
        for name, tensor in zip(self._held(), tensors, strict=True):
            setattr(self, name, tensor.numpy() if name in self._arrays else tensor)

    def _held(self) -> list[str]:
        return sorted(self._names) + sorted(self._arrays)

    def product(self, weight: Tensor) -> Product:
        """x ↦ x Wᵀ for a weight (out, in), prepared for as many steps as the segment has."""
        return Product(weight, rows=self.rows, dtype=self.product_dtype, times=self.steps)

    def outputs(self) -> Tensor:
        """What the loss reads: h_1 … h_n, (n, B, H)."""
        return self.hidden[1:]

    def last(self) -> tuple[Tensor, ...]:
        """The state after the last step, each (B, H)."""
        return (self.hidden[-1].clone(),)

    def begin_backward(self, outputs: Tensor | None, last: tuple[Tensor | None, ...]) -> None:
        """Takes up the gradients of `outputs` and of the last state; None is zero."""
        zeros = self.hidden.new_zeros
        self.v_outputs = self.view(
            zeros(self.steps, self.rows, self.size) if outputs is None else outputs.to(self.dtype).contiguous()
        )
        self.carried = zeros(self.rows, self.size) if last[0] is None else last[0].contiguous()
        self.table_gradient = torch.zeros_like(self._table)
        self.v_table_gradient = self.view(self.table_gradient)

    def state_gradient(self) -> tuple[Tensor, ...]:
        """The gradient that arrives at the state before the segment, each (B, H); no factor is in it yet."""
        return (self.carried.to(self.dtype),)

    def over_time(self, gradients: Tensor, entering: Tensor) -> Tensor:
        """Σ_t gradients_tᵀ entering_t, (n, B, O) and (n, B, I) → (O, I), as one matrix product."""
        return torch.mm(gradients.flatten(0, 1).t(), entering.flatten(0, 1)).to(self.dtype)

    def table_and_bias(self) -> tuple[Tensor, Tensor]:
        """Gradients of table and bias: a bias acts whatever the symbol, so its gradient is the tables' sum."""
        return self.table_gradient, self.table_gradient.sum(0)

    @abstractmethod
    def forward(self, step: int) -> None:
        """s_{t−1} → s_t."""

    @abstractmethod
    def backward(self, step: int, factor: float) -> None:
        """Pre-activation gradients of a step from ∂ℓ_t/∂s_t + factor · (what was carried back from t + 1)."""

    @abstractmethod
    def carry_back(self, step: int) -> None:
        """Carries the gradient from the pre-activations of a step to the state before it."""

    @abstractmethod
    def parameter_gradients(self) -> tuple[Tensor, ...]:
        """Gradients in the order of `parameters`, after the last step backward."""


def _as_tensor(value: Any) -> Tensor:
    return value if isinstance(value, Tensor) else torch.from_numpy(value)
