"""Kernels of the GRU; `compiled/__init__.py` says what the arguments are."""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

import numba
import numpy as np

from artbp_exp.autograd.fused.jit import FLAGS, narrow, sigmoid, tanh, widen


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
