"""The steps of a recurrence, and whole segments, compiled by Numba for CPU.

The arrays of a segment come as `Forward` and `Backward` (`arrays`), all contiguous. A function for some units of one
stream takes (kind, t, arrays, r, b, unit, like): step t, the recurrent product r (B, G·H or more), stream b, the first
unit, and a vector as wide as the units to compute.
"""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

import numpy as np

from artbp_exp.autograd.fused.kinds import add_parts, backward, forward, load_extra, load_gates, store_parts
from artbp_exp.autograd.fused.panels import add_product, multiply, pack, place
from artbp_exp.autograd.fused.vectors import inlined, jit, lanes, load, single, store, view, wide

__all__ = [
    "backward_segment",
    "backward_step",
    "forward_segment",
    "forward_step",
    "mix_step",
    "pack",
    "unmix_step",
    "view",
]


@inlined
def _input_place(x: Any, index: Any, streams: int, t: int, b: int) -> Any:
    """Where the row of `x` for step t and stream b begins."""
    return (t * streams + b if index is None else index[t, b]) * x.shape[1]


@inlined
def _forward_units(kind: Any, t: int, s: Any, r: Any, b: int, unit: int, like: Any) -> None:
    size, streams = s.hidden.shape[2], s.hidden.shape[1]
    row = _input_place(s.x, s.index, streams, t, b) + s.x.shape[1] - s.gates.shape[2]
    product = load_gates(kind, r, b * r.shape[1] + unit, size, like)
    product = add_parts(product, load_gates(kind, s.inner, unit, size, like))
    before = load(s.memory, place(s.memory, t, b) + unit, like)
    found = forward(kind, load_gates(kind, s.x, row + unit, size, like), product, before)
    store_parts(s.gates, place(s.gates, t, b) + unit, size, found[0], like)
    store_parts(s.extra, place(s.extra, t, b) + unit, size, found[1], like)
    store(s.hidden, place(s.hidden, t + 1, b) + unit, found[2], like)
    store(s.memory, place(s.memory, t + 1, b) + unit, found[3], like)


@inlined
def _backward_units(kind: Any, t: int, s: Any, r: Any, b: int, unit: int, like: Any) -> None:
    size, streams = s.hidden.shape[2], s.hidden.shape[1]
    passed, kept = b * size + unit, place(s.gates, t, b) + unit
    dx, dr, dm = backward(
        kind,
        load(s.outputs, place(s.outputs, t, b) + unit, like) + s.factors[t] * load(r, b * r.shape[1] + unit, like),
        s.factors[t] * load(s.dmemory, passed, like),
        load_gates(kind, s.gates, kept, size, like),
        load_extra(kind, s.extra, place(s.extra, t, b) + unit, size, like),
        load(s.hidden, place(s.hidden, t + 1, b) + unit, like),
        load(s.memory, place(s.memory, t, b) + unit, like),
        load(s.memory, place(s.memory, t + 1, b) + unit, like),
    )
    store(s.dmemory, passed, dm, like)
    store_parts(s.gates, kept, size, dr, like)
    row = _input_place(s.dx, s.index, streams, t, b) + s.dx.shape[1] - s.gates.shape[2] + unit
    store_parts(s.dx, row, size, add_parts(dx, load_gates(kind, s.sums, row, size, like)), like)
    store_parts(s.dinner, unit, size, add_parts(dr, load_gates(kind, s.dinner, unit, size, like)), like)


@inlined
def _mix_units(kind: Any, t: int, s: Any, r: Any, b: int, unit: int, like: Any) -> None:
    entering = load(s.x, _input_place(s.x, s.index, s.hidden.shape[1], t, b) + unit, like)
    store(s.mixed, place(s.mixed, t, b) + unit, entering + load(r, b * r.shape[1] + unit, like), like)


@inlined
def _unmix_units(kind: Any, t: int, s: Any, r: Any, b: int, unit: int, like: Any) -> None:
    found = load(r, b * r.shape[1] + unit, like)
    store(s.dmixed, place(s.dmixed, t, b) + unit, found, like)
    row = _input_place(s.dx, s.index, s.hidden.shape[1], t, b) + unit
    store(s.dx, row, found + load(s.sums, row, like), like)


def _step(units: Any) -> Any:
    """A whole step: `units` for all units of all streams."""

    def step(kind: Any, t: int, s: Any, r: Any) -> None:
        size = s.hidden.shape[2]
        full = size - size % lanes(wide(s.memory))
        for b in range(s.hidden.shape[1]):
            for unit in range(0, full, lanes(wide(s.memory))):
                units(kind, t, s, r, b, unit, wide(s.memory))
            for unit in range(full, size):
                units(kind, t, s, r, b, unit, single(s.memory))

    return step


_forward_step, _backward_step = inlined(_step(_forward_units)), inlined(_step(_backward_units))
_mix_step, _unmix_step = inlined(_step(_mix_units)), inlined(_step(_unmix_units))


@jit
def forward_step(kind: Any, t: int, s: Any, r: Any) -> None:
    """State and activations of step t."""
    _forward_step(kind, t, s, r)


@jit
def backward_step(kind: Any, t: int, s: Any, r: Any) -> None:
    """Gradients of the pre-activations of step t, from the gradient r that the product of step t + 1 carries back."""
    _backward_step(kind, t, s, r)


@jit
def mix_step(kind: Any, t: int, s: Any, r: Any) -> None:
    """m = x_m + W_m h of step t from the product r."""
    _mix_step(kind, t, s, r)


@jit
def unmix_step(kind: Any, t: int, s: Any, r: Any) -> None:
    """Keeps the gradient r at the mixture of step t, and adds it to that of the inputs."""
    _unmix_step(kind, t, s, r)


@jit
def forward_segment(kind: Any, s: Any, panels: Any, mixing: Any) -> None:
    """All steps forward."""
    r = np.empty((s.hidden.shape[1], panels.shape[0] * panels.shape[2]), s.hidden.dtype)
    for t in range(s.hidden.shape[0] - 1):
        if mixing is None:
            multiply(s.hidden, t, panels, r)
        else:
            multiply(s.hidden, t, mixing, r)
            _mix_step(kind, t, s, r)
            multiply(s.mixed, t, panels, r)
        _forward_step(kind, t, s, r)


@jit
def backward_segment(kind: Any, s: Any, panels: Any, mixing: Any, last: Any, needs_state: bool, dweight: Any) -> Any:
    """All steps backward from the gradient at the last h; returns the gradient at the first.

    The gradient of the recurrent weight is added to `dweight`, unless that is None.
    """
    r = np.zeros((s.hidden.shape[1], panels.shape[0] * panels.shape[2]), s.hidden.dtype)
    r[:, : s.hidden.shape[2]] = last
    for t in range(s.hidden.shape[0] - 2, -1, -1):
        _backward_step(kind, t, s, r)
        if dweight is not None:
            add_product(s.gates, s.hidden, t, panels.shape[2], dweight)
        if mixing is not None:
            multiply(s.gates, t, panels, r)
            _unmix_step(kind, t, s, r)
            if t > 0 or needs_state:
                multiply(s.dmixed, t, mixing, r)
        elif t > 0 or needs_state:
            multiply(s.gates, t, panels, r)
    return r
