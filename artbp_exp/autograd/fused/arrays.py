"""The arrays of a segment, as the steps of `compiled` and `operators` take them."""

from typing import Any, NamedTuple


class Forward(NamedTuple):
    """Arrays of a segment on the way forward, all contiguous: n steps, B streams, H units, G gates of a unit.

    Attributes:
        x: what the inputs give: a table (V, columns), or rows (n·B, columns); the gates' are the last G·H columns.
        index: rows of the table (n, B); None: x has a row for each step and stream.
        inner: added to the recurrent product, (G·H,), or None.
        hidden: (n + 1, B, H), the first before the segment.
        memory: likewise; without a backward pass it, `gates`, `extra` and `mixed` hold one step, used again and again.
        gates: activations, (n, B, G·H).
        extra: (n, B, extra·H).
        mixed: (n, B, H), or None.
    """

    x: Any
    index: Any
    inner: Any
    hidden: Any
    memory: Any
    gates: Any
    extra: Any
    mixed: Any


class Backward(NamedTuple):
    """Arrays of a segment on the way back; see `Forward`.

    Attributes:
        outputs: gradient at h_1 … h_n, (n, B, H).
        factors: (n,), float64: what arrives at step t from step t + 1 is multiplied by.
        gates: activations before a step, gradients of its pre-activations after it.
        dmemory: gradient at the memory that needs no product, (B, H).
        dx: gradient at `x`, like it.
        sums: what is in `dx` already: `dx` itself where rows of a table come again and again, else None.
        dinner: gradient at `inner`, or None.
        dmixed: gradient at the mixture, (n, B, H), or None.
    """

    index: Any
    outputs: Any
    factors: Any
    hidden: Any
    memory: Any
    gates: Any
    extra: Any
    dmemory: Any
    dx: Any
    sums: Any
    dinner: Any
    dmixed: Any
