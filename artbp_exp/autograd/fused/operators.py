"""The same kernels as `compiled`, in torch operators: for CUDA, and where Numba is not installed."""

import torch
from torch import Tensor


def view(tensor: Tensor) -> Tensor:
    """The tensor itself."""
    return tensor.detach()


def _store(low: Tensor, full: Tensor) -> None:
    # in full precision they are the same memory
    if low.dtype != full.dtype:
        low.copy_(full)


def rnn_forward(table: Tensor, symbols: Tensor, rec: Tensor, hidden: Tensor, low_hidden: Tensor, t: int) -> None:
    """h' = tanh(E[x] + b + W h)."""
    torch.tanh(table[symbols[t]] + rec, out=hidden[t + 1])
    _store(low_hidden[t + 1], hidden[t + 1])


def rnn_backward(
    symbols: Tensor,
    outputs: Tensor,
    carried: Tensor,
    factor: float,
    hidden: Tensor,
    low_gates: Tensor,
    dtable: Tensor,
    t: int,
) -> None:
    """The pre-activation's gradient, into `low_gates`."""
    dh = torch.add(outputs[t], carried, alpha=factor)
    low_gates[t] = dh.addcmul_(dh * hidden[t + 1], hidden[t + 1], value=-1)
    dtable.index_add_(0, symbols[t], low_gates[t].to(dtable.dtype))


def lstm_forward(
    table: Tensor,
    symbols: Tensor,
    rec: Tensor,
    gates: Tensor,
    cells: Tensor,
    tanhs: Tensor,
    hidden: Tensor,
    low_hidden: Tensor,
    t: int,
) -> None:
    """Gates, cell and hidden state of step t."""
    H = hidden.shape[2]
    torch.add(table[symbols[t]], rec, out=gates[t])
    enter, forget, candidate, leave = gates[t].split(H, dim=1)
    gates[t, :, : 2 * H].sigmoid_()
    candidate.tanh_()
    leave.sigmoid_()
    torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(enter, candidate)
    torch.tanh(cells[t + 1], out=tanhs[t])
    torch.mul(leave, tanhs[t], out=hidden[t + 1])
    _store(low_hidden[t + 1], hidden[t + 1])


def _cell_backward(
    du: Tensor, dcell: Tensor, before: Tensor, gates: Tensor, low_gates: Tensor, through_candidate: Tensor
) -> None:
    """Input and forget gates and candidate from dcell = ∂/∂c'; leaves ∂/∂c in `dcell`; du is the output gate's."""
    H = dcell.shape[1]
    enter, forget, candidate, leave = gates.split(H, dim=1)
    d_enter = dcell * candidate * enter * (1 - enter)
    d_candidate = dcell * enter * through_candidate
    d_forget = dcell * before * forget * (1 - forget)
    d_leave = du * leave * (1 - leave)
    dcell.mul_(forget)
    for part, value in zip(low_gates.split(H, dim=1), (d_enter, d_forget, d_candidate, d_leave), strict=True):
        part.copy_(value)


def lstm_backward(
    symbols: Tensor,
    outputs: Tensor,
    carried: Tensor,
    factor: float,
    dcell: Tensor,
    gates: Tensor,
    cells: Tensor,
    tanhs: Tensor,
    low_gates: Tensor,
    dtable: Tensor,
    t: int,
) -> None:
    """The four gates' gradients into `low_gates`; ∂/∂c_{t−1} stays in `dcell`."""
    H = dcell.shape[1]
    candidate, leave = gates[t, :, 2 * H : 3 * H], gates[t, :, 3 * H :]
    dh = torch.add(outputs[t], carried, alpha=factor)
    dcell.mul_(factor).addcmul_(dh * leave, 1 - tanhs[t] * tanhs[t])
    _cell_backward(dh * tanhs[t], dcell, cells[t], gates[t], low_gates[t], 1 - candidate * candidate)
    dtable.index_add_(0, symbols[t], low_gates[t].to(dtable.dtype))


def gru_forward(
    table: Tensor,
    symbols: Tensor,
    rec: Tensor,
    bias: Tensor,
    gates: Tensor,
    inner: Tensor,
    hidden: Tensor,
    low_hidden: Tensor,
    t: int,
) -> None:
    """Gates, candidate and hidden state of step t; `inner` keeps W_n h + b'_n."""
    H = hidden.shape[2]
    x = table[symbols[t]]
    reset, update, new = gates[t].split(H, dim=1)
    torch.sigmoid(x[:, : 2 * H] + rec[:, : 2 * H], out=gates[t, :, : 2 * H])
    torch.add(rec[:, 2 * H :], bias, out=inner[t])
    torch.tanh(torch.addcmul(x[:, 2 * H :], reset, inner[t]), out=new)
    torch.addcmul(new, update, hidden[t] - new, out=hidden[t + 1])
    _store(low_hidden[t + 1], hidden[t + 1])


def gru_backward(
    symbols: Tensor,
    outputs: Tensor,
    carried: Tensor,
    factor: float,
    direct: Tensor,
    gates: Tensor,
    inner: Tensor,
    hidden: Tensor,
    low_gates: Tensor,
    dtable: Tensor,
    dbias: Tensor,
    t: int,
) -> None:
    """Gradients at W h into `low_gates`; what z passes straight on stays in `direct`."""
    H = direct.shape[1]
    reset, update, new = gates[t].split(H, dim=1)
    dh = torch.add(outputs[t], carried + direct, alpha=factor)
    dn = dh * (1 - update) * (1 - new * new)
    d_update = dh * (hidden[t] - new) * update * (1 - update)
    d_reset = dn * inner[t] * reset * (1 - reset)
    d_inner = dn * reset
    torch.mul(dh, update, out=direct)
    for part, value in zip(low_gates[t].split(H, dim=1), (d_reset, d_update, d_inner), strict=True):
        part.copy_(value)
    dtable.index_add_(0, symbols[t], torch.cat([low_gates[t, :, : 2 * H].to(dtable.dtype), dn], dim=1))
    dbias.add_(low_gates[t, :, 2 * H :].to(dtable.dtype).sum(0))


def authors_mix(table: Tensor, symbols: Tensor, rec: Tensor, low_mixed: Tensor, t: int) -> None:
    """m = E_m[x] + b_m + W_m h."""
    low_mixed[t] = table[symbols[t], : rec.shape[1]] + rec


def authors_mix_backward(symbols: Tensor, dmixed: Tensor, low_mix: Tensor, dtable: Tensor, t: int) -> None:
    """Keeps the gradient at m and adds it to its table's."""
    low_mix[t] = dmixed
    dtable[:, : dmixed.shape[1]].index_add_(0, symbols[t], dmixed.to(dtable.dtype))


def authors_forward(
    table: Tensor,
    symbols: Tensor,
    rec: Tensor,
    gates: Tensor,
    cells: Tensor,
    hidden: Tensor,
    low_hidden: Tensor,
    t: int,
) -> None:
    """Gates, cell and hidden state of step t."""
    H = hidden.shape[2]
    torch.add(table[symbols[t], H:], rec, out=gates[t])
    enter, forget, candidate, leave = gates[t].split(H, dim=1)
    gates[t, :, : 2 * H].sigmoid_()
    leave.sigmoid_()
    torch.mul(forget, cells[t], out=cells[t + 1]).addcmul_(enter, candidate)
    torch.tanh(leave * cells[t + 1], out=hidden[t + 1])
    _store(low_hidden[t + 1], hidden[t + 1])


def authors_backward(
    symbols: Tensor,
    outputs: Tensor,
    carried: Tensor,
    factor: float,
    dcell: Tensor,
    gates: Tensor,
    cells: Tensor,
    hidden: Tensor,
    low_gates: Tensor,
    dtable: Tensor,
    t: int,
) -> None:
    """The four gates' gradients into `low_gates`; ∂/∂c_{t−1} stays in `dcell`."""
    H = dcell.shape[1]
    h = hidden[t + 1]
    dh = torch.add(outputs[t], carried, alpha=factor)
    # the gradient at σ(o)∘c', inside the tanh
    du = dh.addcmul_(dh * h, h, value=-1)
    dcell.mul_(factor).addcmul_(du, gates[t, :, 3 * H :])
    _cell_backward(du * cells[t + 1], dcell, cells[t], gates[t], low_gates[t], torch.ones_like(du))
    dtable[:, H:].index_add_(0, symbols[t], low_gates[t].to(dtable.dtype))
