"""What a cell must define to run fused: its equations, one step forward and one step backward.

The equations are written once. They compute on torch tensors as they stand, and on vectors of numbers where Numba
compiles them (`vectors`): so they use +, −, ·, ÷, `sigmoid` and `tanh` and nothing else.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

Numbers = Any
"""A tensor (B, H), or a vector of some units of one stream."""


def sigmoid(x: Numbers) -> Numbers:
    """1 / (1 + e^−x)."""
    return torch.sigmoid(x)


def tanh(x: Numbers) -> Numbers:
    """The hyperbolic tangent."""
    return torch.tanh(x)


@dataclass(frozen=True, kw_only=True)
class Weights:
    """The tensors that a recurrence reads; gradients flow to all of them.

    Attributes:
        inputs: what the inputs give to the pre-activations: a table (V, gates·H) with a row for each symbol, or dense
            projections (n, B, gates·H). With `mixing`, H columns for the mixture come first.
        recurrent: W, (gates·H, H).
        inner: added to the recurrent product W h, (gates·H,).
        mixing: W_m, (H, H): the recurrent product reads m = x_m + W_m h instead of h.
    """

    inputs: Tensor
    recurrent: Tensor
    inner: Tensor | None = None
    mixing: Tensor | None = None


class Recurrence(ABC):
    """One cell. Its state is h, or (h, c) with a memory c; `memory` below is c, or h itself where there is no c.

    Attributes:
        gates: pre-activations of a unit, G.
        extra: numbers of a unit that a step keeps for its backward pass beside its G activations.
        has_cell: whether the state is (h, c).
    """

    gates: ClassVar[int]
    extra: ClassVar[int] = 0
    has_cell: ClassVar[bool] = False

    @staticmethod
    @abstractmethod
    def forward(
        x: tuple[Numbers, ...], r: tuple[Numbers, ...], memory: Numbers
    ) -> tuple[tuple[Numbers, ...], tuple[Numbers, ...], Numbers, Numbers]:
        """One step forward.

        Args:
            x: what the inputs give to each gate.
            r: the recurrent product for each gate.
            memory: before the step.

        Returns:
            (G activations, `extra` more numbers for the backward pass, h', memory').
        """

    @staticmethod
    @abstractmethod
    def backward(
        dh: Numbers,
        dm: Numbers,
        gates: tuple[Numbers, ...],
        extra: tuple[Numbers, ...],
        hidden: Numbers,
        before: Numbers,
        after: Numbers,
    ) -> tuple[tuple[Numbers, ...], tuple[Numbers, ...], Numbers]:
        """One step backward.

        Args:
            dh: gradient at h' from the step's loss and through the recurrent product of the step after.
            dm: gradient at memory' that the step after passed on without a product.
            gates: the activations that `forward` kept.
            extra: what else it kept.
            hidden: h'.
            before: memory before the step.
            after: memory'.

        Returns:
            (gradients at x, gradients at r, gradient at the memory before the step that needs no product).
        """
