"""Kernels of the Elman network; `compiled/__init__.py` says what the arguments are."""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

import numba

from artbp_exp.autograd.fused.jit import FLAGS, narrow, tanh, widen


@numba.jit(**FLAGS)
def rnn_forward(table: Any, symbols: Any, rec: Any, hidden: Any, low_hidden: Any, t: int) -> None:
    """h' = tanh(E[x] + b + W h)."""
    for b in range(hidden.shape[1]):
        x, r, h, low = table[symbols[t, b]], rec[b], hidden[t + 1, b], low_hidden[t + 1, b]
        for j in range(h.size):
            h[j] = tanh(x[j] + widen(r[j]))
        for j in range(h.size):
            narrow(low, j, h[j])


@numba.jit(**FLAGS)
def rnn_backward(
    symbols: Any, outputs: Any, carried: Any, factor: float, hidden: Any, low_gates: Any, dtable: Any, t: int
) -> None:
    """The pre-activation's gradient, into `low_gates`."""
    f = hidden.dtype.type
    k = f(factor)
    for b in range(hidden.shape[1]):
        out, back, h, low, dx = outputs[t, b], carried[b], hidden[t + 1, b], low_gates[t, b], dtable[symbols[t, b]]
        for j in range(h.size):
            narrow(low, j, (out[j] + k * widen(back[j])) * (f(1.0) - h[j] * h[j]))
        for j in range(h.size):
            dx[j] += widen(low[j])
