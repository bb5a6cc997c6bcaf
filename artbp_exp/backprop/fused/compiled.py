"""Element-wise kernels of a step on CPU, compiled by Numba.

Each loop runs along one row of H units and touches few arrays, so that LLVM can tell them apart and vectorise.
Shapes: table (V, gates·H), symbols (n, B), `rec` (B, gates·H) the recurrent product, gates (n, B, gates·H),
hidden and cells (n + 1, B, H), outputs' gradients (n, B, H), carried (B, H). `low_…` hold what enters the products;
in full precision they are the same arrays. A backward kernel adds to the table's gradient as it goes.
"""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

import numba
import numpy as np
import torch
from torch import Tensor

from artbp_exp.backprop.fused.jit import FLAGS, narrow, sigmoid, tanh, widen


def view(tensor: Tensor) -> Any:
    """The tensor's memory as a NumPy array; bfloat16 as 16-bit integers."""
    tensor = tensor.detach()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


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


@numba.jit(**FLAGS)
def lstm_forward(
    table: Any,
    symbols: Any,
    rec: Any,
    gates: Any,
    cells: Any,
    tanhs: Any,
    hidden: Any,
    low_hidden: Any,
    t: int,
) -> None:
    """Gates, cell and hidden state of step t."""
    H = hidden.shape[2]
    for b in range(hidden.shape[1]):
        x, r, g = table[symbols[t, b]], rec[b], gates[t, b]
        for j in range(2 * H):
            g[j] = sigmoid(x[j] + widen(r[j]))
        for j in range(2 * H, 3 * H):
            g[j] = tanh(x[j] + widen(r[j]))
        for j in range(3 * H, 4 * H):
            g[j] = sigmoid(x[j] + widen(r[j]))
        before, cell = cells[t, b], cells[t + 1, b]
        for j in range(H):
            cell[j] = g[H + j] * before[j] + g[j] * g[2 * H + j]
        squashed, h, low = tanhs[t, b], hidden[t + 1, b], low_hidden[t + 1, b]
        for j in range(H):
            squashed[j] = tanh(cell[j])
        for j in range(H):
            h[j] = g[3 * H + j] * squashed[j]
        for j in range(H):
            narrow(low, j, h[j])


@numba.jit(**FLAGS)
def lstm_backward(
    symbols: Any,
    outputs: Any,
    carried: Any,
    factor: float,
    dcell: Any,
    gates: Any,
    cells: Any,
    tanhs: Any,
    low_gates: Any,
    dtable: Any,
    t: int,
) -> None:
    """The four gates' gradients into `low_gates`; ∂/∂c_{t−1} stays in `dcell`."""
    f = gates.dtype.type
    k, one = f(factor), f(1.0)
    H = dcell.shape[1]
    dh = np.empty(H, gates.dtype)
    for b in range(dcell.shape[0]):
        out, back, dc, squashed, before = outputs[t, b], carried[b], dcell[b], tanhs[t, b], cells[t, b]
        enter, forget, candidate, leave = (
            gates[t, b, :H],
            gates[t, b, H : 2 * H],
            gates[t, b, 2 * H : 3 * H],
            gates[t, b, 3 * H :],
        )
        low = low_gates[t, b]
        low_enter, low_forget, low_candidate, low_leave = low[:H], low[H : 2 * H], low[2 * H : 3 * H], low[3 * H :]
        for j in range(H):
            dh[j] = out[j] + k * widen(back[j])
        for j in range(H):
            dc[j] = k * dc[j] + dh[j] * leave[j] * (one - squashed[j] * squashed[j])
        for j in range(H):
            narrow(low_leave, j, dh[j] * squashed[j] * leave[j] * (one - leave[j]))
        for j in range(H):
            i, c = enter[j], candidate[j]
            narrow(low_enter, j, dc[j] * c * i * (one - i))
            narrow(low_candidate, j, dc[j] * i * (one - c * c))
        for j in range(H):
            keep = forget[j]
            narrow(low_forget, j, dc[j] * before[j] * keep * (one - keep))
            dc[j] = dc[j] * keep
        dx = dtable[symbols[t, b]]
        for j in range(4 * H):
            dx[j] += widen(low[j])


@numba.jit(**FLAGS)
def gru_forward(
    table: Any,
    symbols: Any,
    rec: Any,
    bias: Any,
    gates: Any,
    inner: Any,
    hidden: Any,
    low_hidden: Any,
    t: int,
) -> None:
    """Gates, candidate and hidden state of step t; `inner` keeps W_n h + b'_n."""
    H = hidden.shape[2]
    for b in range(hidden.shape[1]):
        x, r, g, q = table[symbols[t, b]], rec[b], gates[t, b], inner[t, b]
        for j in range(2 * H):
            g[j] = sigmoid(x[j] + widen(r[j]))
        for j in range(H):
            q[j] = widen(r[2 * H + j]) + bias[j]
        for j in range(H):
            g[2 * H + j] = tanh(x[2 * H + j] + g[j] * q[j])
        before, h, low = hidden[t, b], hidden[t + 1, b], low_hidden[t + 1, b]
        for j in range(H):
            h[j] = g[2 * H + j] + g[H + j] * (before[j] - g[2 * H + j])
        for j in range(H):
            narrow(low, j, h[j])


@numba.jit(**FLAGS)
def gru_backward(
    symbols: Any,
    outputs: Any,
    carried: Any,
    factor: float,
    direct: Any,
    gates: Any,
    inner: Any,
    hidden: Any,
    low_gates: Any,
    dtable: Any,
    dbias: Any,
    t: int,
) -> None:
    """Gradients at W h into `low_gates`; what z passes straight on stays in `direct`."""
    f = gates.dtype.type
    k, one = f(factor), f(1.0)
    H = direct.shape[1]
    dh, dn = np.empty(H, gates.dtype), np.empty(H, gates.dtype)
    for b in range(direct.shape[0]):
        out, back, past, before, q = outputs[t, b], carried[b], direct[b], hidden[t, b], inner[t, b]
        reset, update, new = gates[t, b, :H], gates[t, b, H : 2 * H], gates[t, b, 2 * H :]
        low = low_gates[t, b]
        low_reset, low_update, low_new = low[:H], low[H : 2 * H], low[2 * H :]
        dx = dtable[symbols[t, b]]
        for j in range(H):
            dh[j] = out[j] + k * (widen(back[j]) + past[j])
        for j in range(H):
            dn[j] = dh[j] * (one - update[j]) * (one - new[j] * new[j])
        for j in range(H):
            dx[2 * H + j] += dn[j]
        for j in range(H):
            past[j] = dh[j] * update[j]
        for j in range(H):
            z = update[j]
            narrow(low_update, j, dh[j] * (before[j] - new[j]) * z * (one - z))
        for j in range(H):
            r = reset[j]
            narrow(low_new, j, dn[j] * r)
            narrow(low_reset, j, dn[j] * q[j] * r * (one - r))
        for j in range(2 * H):
            dx[j] += widen(low[j])
        for j in range(H):
            dbias[j] += widen(low_new[j])


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
