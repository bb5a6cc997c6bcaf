"""Kernels of the authors' cell; `compiled/__init__.py` says what the arguments are."""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

import numba
import numpy as np

from artbp_exp.autograd.fused.jit import FLAGS, narrow, sigmoid, tanh, widen


@numba.jit(**FLAGS)
def authors_mix(table: Any, symbols: Any, rec: Any, low_mixed: Any, t: int) -> None:
    """m = E_m[x] + b_m + W_m h."""
    for b in range(rec.shape[0]):
        x, r, low = table[symbols[t, b]], rec[b], low_mixed[t, b]
        for j in range(r.size):
            narrow(low, j, x[j] + widen(r[j]))


@numba.jit(**FLAGS)
def authors_mix_backward(symbols: Any, dmixed: Any, low_mix: Any, dtable: Any, t: int) -> None:
    """Keeps the gradient at m and adds it to its table's."""
    for b in range(dmixed.shape[0]):
        d, low, dx = dmixed[b], low_mix[t, b], dtable[symbols[t, b]]
        for j in range(d.size):
            low[j] = d[j]
        for j in range(d.size):
            dx[j] += widen(d[j])


@numba.jit(**FLAGS)
def authors_forward(
    table: Any, symbols: Any, rec: Any, gates: Any, cells: Any, hidden: Any, low_hidden: Any, t: int
) -> None:
    """Gates, cell and hidden state of step t."""
    H = hidden.shape[2]
    for b in range(hidden.shape[1]):
        x, r, g = table[symbols[t, b], H:], rec[b], gates[t, b]
        for j in range(2 * H):
            g[j] = sigmoid(x[j] + widen(r[j]))
        for j in range(2 * H, 3 * H):
            g[j] = x[j] + widen(r[j])
        for j in range(3 * H, 4 * H):
            g[j] = sigmoid(x[j] + widen(r[j]))
        before, cell = cells[t, b], cells[t + 1, b]
        for j in range(H):
            cell[j] = g[H + j] * before[j] + g[j] * g[2 * H + j]
        h, low = hidden[t + 1, b], low_hidden[t + 1, b]
        for j in range(H):
            h[j] = tanh(g[3 * H + j] * cell[j])
        for j in range(H):
            narrow(low, j, h[j])


@numba.jit(**FLAGS)
def authors_backward(
    symbols: Any,
    outputs: Any,
    carried: Any,
    factor: float,
    dcell: Any,
    gates: Any,
    cells: Any,
    hidden: Any,
    low_gates: Any,
    dtable: Any,
    t: int,
) -> None:
    """The four gates' gradients into `low_gates`; ∂/∂c_{t−1} stays in `dcell`."""
    f = gates.dtype.type
    k, one = f(factor), f(1.0)
    H = dcell.shape[1]
    du = np.empty(H, gates.dtype)
    for b in range(dcell.shape[0]):
        out, back, dc, h = outputs[t, b], carried[b], dcell[b], hidden[t + 1, b]
        before, cell = cells[t, b], cells[t + 1, b]
        enter, forget, candidate, leave = (
            gates[t, b, :H],
            gates[t, b, H : 2 * H],
            gates[t, b, 2 * H : 3 * H],
            gates[t, b, 3 * H :],
        )
        low = low_gates[t, b]
        low_enter, low_forget, low_candidate, low_leave = low[:H], low[H : 2 * H], low[2 * H : 3 * H], low[3 * H :]
        for j in range(H):
            # the gradient at σ(o)∘c', inside the tanh
            du[j] = (out[j] + k * widen(back[j])) * (one - h[j] * h[j])
        for j in range(H):
            dc[j] = k * dc[j] + du[j] * leave[j]
        for j in range(H):
            narrow(low_leave, j, du[j] * cell[j] * leave[j] * (one - leave[j]))
        for j in range(H):
            i, c = enter[j], candidate[j]
            narrow(low_enter, j, dc[j] * c * i * (one - i))
            narrow(low_candidate, j, dc[j] * i)
        for j in range(H):
            keep = forget[j]
            narrow(low_forget, j, dc[j] * before[j] * keep * (one - keep))
            dc[j] = dc[j] * keep
        dx = dtable[symbols[t, b], H:]
        for j in range(4 * H):
            dx[j] += widen(low[j])
