"""The steps of `compiled` in torch operators: for CUDA, and where Numba is not installed."""

from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd.fused.arrays import Backward, Forward
from artbp_exp.autograd.fused.recurrence import Recurrence


def view(tensor: Tensor | None) -> Tensor | None:
    """The tensor itself."""
    return None if tensor is None else tensor.detach()


def _entering(s: Forward, t: int) -> Tensor:
    found: Tensor = s.x.view(-1, s.hidden.shape[1], s.x.shape[1])[t] if s.index is None else s.x[s.index[t]]
    return found


def _last(array: Any, t: int) -> Any:
    return array[min(t, len(array) - 1)]


def forward_step(kind: type[Recurrence], t: int, s: Forward, r: Tensor) -> None:
    """State and activations of step t."""
    size = s.hidden.shape[2]
    product = r.to(s.x.dtype) if s.inner is None else r + s.inner
    entering = _entering(s, t)[:, -product.shape[1] :]
    found = kind.forward(entering.split(size, dim=1), product.split(size, dim=1), _last(s.memory, t))
    _write(_last(s.gates, t), found[0])
    _write(_last(s.extra, t), found[1])
    s.hidden[t + 1] = found[2]
    _last(s.memory, t + 1).copy_(found[3])


def backward_step(kind: type[Recurrence], t: int, s: Backward, r: Tensor) -> None:
    """Gradients of the pre-activations of step t, from the gradient r that the product of step t + 1 carries back."""
    size, dtype = s.hidden.shape[2], s.dx.dtype
    gates, extra = s.gates[t].to(dtype), s.extra[t].to(dtype)
    dx, dr, dm = kind.backward(
        torch.add(s.outputs[t].to(dtype), r.to(dtype), alpha=float(s.factors[t])),
        s.dmemory * float(s.factors[t]),
        gates.split(size, dim=1),
        extra.split(size, dim=1) if extra.shape[1] else (),
        s.hidden[t + 1].to(dtype),
        s.memory[t],
        s.memory[t + 1],
    )
    if isinstance(dm, Tensor):
        s.dmemory.copy_(dm)
    else:
        s.dmemory.fill_(dm)
    _write(s.gates[t], dr)
    _add(s, t, torch.cat(dx, dim=1), -s.gates.shape[2])
    if s.dinner is not None:
        s.dinner.add_(torch.cat(dr, dim=1).sum(0))


def mix_step(kind: type[Recurrence], t: int, s: Forward, r: Tensor) -> None:
    """m = x_m + W_m h of step t from the product r."""
    _last(s.mixed, t).copy_(_entering(s, t)[:, : r.shape[1]] + r)


def unmix_step(kind: type[Recurrence], t: int, s: Backward, r: Tensor) -> None:
    """Keeps the gradient r at the mixture of step t, and adds it to that of the inputs."""
    s.dmixed[t] = r
    _add(s, t, r.to(s.dx.dtype), 0)


def _write(row: Tensor, parts: tuple[Tensor, ...]) -> None:
    if parts:
        row.copy_(torch.cat(parts, dim=1))


def _add(s: Backward, t: int, gradient: Tensor, column: int) -> None:
    """Adds the gradient of step t to columns of `dx`."""
    column %= s.dx.shape[1]
    columns = s.dx[:, column : column + gradient.shape[1]]
    if s.index is None:
        streams = len(gradient)
        columns[t * streams : (t + 1) * streams] = gradient
    else:
        columns.index_add_(0, s.index[t], gradient)
