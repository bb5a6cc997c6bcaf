"""One autograd function over a whole segment, with the carry factors inside its backward recursion."""

import math
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd.fused import execution
from artbp_exp.autograd.fused.arrays import Backward, Forward
from artbp_exp.autograd.fused.execution import run_backward, run_forward
from artbp_exp.autograd.fused.products import over_time
from artbp_exp.autograd.fused.recurrence import Recurrence, Weights
from artbp_exp.autograd.state import State, leaves
from artbp_exp.errors import UserError
from artbp_exp.truncation import Segment

ALIGNED = 64
"""Bytes: the line of a cache, and the widest vector."""

LONG, BEYOND_HEAP = 256, 33 << 20
"""Steps of a long segment; bytes that glibc always asks the system for, and gives back to it at once."""

SMALL = 100
"""Units below which a step's products take less time than rounding to bfloat16: there all is computed in float32."""


class _Segment(torch.autograd.Function):
    """(inputs, weights, state) → (hidden states (n, B, H), last state)."""

    @staticmethod
    def forward(
        ctx: Any,
        kind: type[Recurrence],
        factors: Any,
        plan: tuple[bool, bool],
        symbols: Tensor | None,
        inputs: Tensor,
        recurrent: Tensor,
        inner: Tensor | None,
        mixing: Tensor | None,
        hidden: Tensor,
        cell: Tensor | None,
    ) -> Any:
        dtype, low = inputs.dtype, _product_dtype(inputs, hidden.shape[1])
        steps = len(inputs if symbols is None else symbols)
        keep, bounded = plan
        kept = steps if keep else 1

        streams, size = hidden.shape
        (all_hidden,) = _buffers(inputs, bounded, (steps + 1, streams, size, low))
        all_hidden[0] = hidden
        # where there is no cell, the memory is h itself, in full precision
        alone = cell is not None or low != dtype
        own, gates, extra, mixed_or_none = _buffers(
            inputs,
            bounded,
            (steps + 1 if keep else 1, streams, size if alone else 0, dtype),
            (kept, streams, kind.gates * size, low),
            (kept, streams, kind.extra * size, low),
            (kept, streams, 0 if mixing is None else size, low),
        )
        memory = own if alone else all_hidden
        memory[0] = hidden if cell is None else cell
        mixed = None if mixing is None else mixed_or_none
        arrays = Forward(
            x=inputs.flatten(0, -2).contiguous(),
            index=symbols,
            inner=None if inner is None else inner.contiguous(),
            hidden=all_hidden,
            memory=memory,
            gates=gates,
            extra=extra,
            mixed=mixed,
        )
        with torch.autocast(inputs.device.type, enabled=False):
            run_forward(kind, arrays, recurrent, mixing)
        ctx.kind, ctx.factors = kind, factors
        # gradients of outputs that nobody read arrive as None, not as tensors of zeros
        ctx.set_materialize_grads(False)
        # saved by autograd's own means, so that checkpointing can drop it and compute it again
        ctx.save_for_backward(symbols, inputs, recurrent, inner, mixing, all_hidden, memory, gates, extra, mixed)
        last = memory[-1].clone() if cell is None else all_hidden[-1].to(dtype, copy=True)
        return all_hidden[1:], last, None if cell is None else memory[-1].clone()

    @staticmethod
    def backward(ctx: Any, outputs: Tensor | None, last: Tensor | None, last_cell: Tensor | None) -> Any:
        if torch.is_grad_enabled():  # torch's `once_differentiable` lets a gradient that is not differentiable pass
            raise UserError(
                "create_graph=True asks for a second derivative, which the fused engine does not have: take "
                "engine=plain, or artbp.unroll with a step that calls the module for one step"
            )
        symbols, inputs, recurrent, inner, mixing, hidden, memory, gates, extra, mixed = ctx.saved_tensors
        if torch._C._autograd._get_current_graph_task_keep_graph():  # retain_graph=True: it may be read again
            gates = gates.clone()
        streams, size = hidden.shape[1:]
        # a table's rows are read again and again, and their gradients added up
        rows = inputs.flatten(0, -2).shape
        dx = inputs.new_empty(rows) if symbols is None else inputs.new_zeros(rows)
        zeros = inputs.new_zeros(streams, size)
        arrays = Backward(
            index=symbols,
            outputs=torch.zeros_like(hidden[1:]) if outputs is None else outputs.to(hidden.dtype).contiguous(),
            factors=ctx.factors,
            hidden=hidden,
            memory=memory,
            gates=gates,
            extra=extra,
            dmemory=zeros if last_cell is None else zeros.copy_(last_cell),
            dx=dx,
            sums=None if symbols is None else dx,
            dinner=None if inner is None else torch.zeros_like(inner),
            dmixed=None if mixing is None else torch.empty_like(mixed),
        )
        needs_state = any(ctx.needs_input_grad[8:])
        carried = hidden.new_zeros(streams, size) if last is None else last.to(hidden.dtype).contiguous()
        with torch.autocast(inputs.device.type, enabled=False):
            carried, d_recurrent = run_backward(ctx.kind, arrays, recurrent, mixing, carried, needs_state)
            carried = carried.to(inputs.dtype)
            if d_recurrent is None:
                d_recurrent = over_time(gates, hidden[:-1] if mixing is None else mixed).to(recurrent.dtype)
            d_mixing = None if mixing is None else over_time(arrays.dmixed, hidden[:-1]).to(mixing.dtype)
        d_cell = arrays.dmemory if ctx.kind.has_cell else None
        d_hidden = carried if ctx.kind.has_cell else carried + arrays.dmemory
        state = (d_hidden, d_cell) if needs_state else (None, None)
        return None, None, None, None, dx.view_as(inputs), d_recurrent, arrays.dinner, d_mixing, *state


def _buffers(like: Tensor, bounded: bool, *shapes: tuple[int, int, int, torch.dtype]) -> list[Tensor]:
    """Uninitialised tensors in one piece of memory, which goes back to the system as a whole when they are dropped.

    Pieces of some megabytes would come from the heap, and what lives on between the windows of a long segment would
    leave it in fragments: it took half as much again as a window needs, and more. So those of a window (`bounded`), and
    of long segments, are asked for as more than the heap gives out; what is not used is never touched, and takes no
    memory.
    """
    sizes = [math.prod(shape) * dtype.itemsize for *shape, dtype in shapes]
    starts = [0, *accumulate(-(-size // ALIGNED) * ALIGNED for size in sizes)]
    apart = like.device.type == "cpu" and (bounded or shapes[0][0] >= LONG)
    asked = max(starts[-1], BEYOND_HEAP) if apart else starts[-1]
    store = torch.empty(asked, dtype=torch.uint8, device=like.device)
    return [
        store[start : start + size].view(dtype).view(*shape)
        for start, size, (*shape, dtype) in zip(starts, sizes, shapes, strict=False)
    ]


def _product_dtype(inputs: Tensor, size: int) -> torch.dtype:
    """That of autocast, which leaves float64 alone; small cells on CPU are faster in float32."""
    device = inputs.device.type
    lowered = torch.is_autocast_enabled(device) and inputs.dtype == torch.float32
    if not lowered or (device == "cpu" and size < SMALL):
        return inputs.dtype
    return torch.get_autocast_dtype(device)


def run_recurrence(
    kind: type[Recurrence],
    weights: Weights,
    symbols: Tensor | None,
    state: State,
    factors: Any,
    *,
    bounded: bool = False,
) -> tuple[Tensor, State]:
    """Runs a recurrence over a segment.

    Args:
        kind: the cell.
        weights: what it reads.
        symbols: rows of the table `weights.inputs`, (n, B), int64; None where `weights.inputs` is dense.
        state: h, or (h, c), each (B, H).
        factors: what the carried gradient is multiplied by between one step and the next, (n − 1,), float64.
        bounded: these are some steps of a longer segment, whose memory is bounded.

    Returns:
        (hidden states (n, B, H), last state).

    Raises:
        IndexError: a symbol that the table does not have; on a GPU, whose kernels check it, their failed assertion.
    """
    if symbols is not None:
        _check_symbols(symbols, len(weights.inputs))
    if execution.folds(weights.inputs):
        weights = folded(weights)
    start = leaves(state)
    outputs, hidden, cell = _Segment.apply(
        kind,
        np.append(np.asarray(factors, dtype=np.float64), 1.0),
        (torch.is_grad_enabled(), bounded),
        None if symbols is None else symbols.contiguous(),
        weights.inputs.to(weights.recurrent.dtype),
        weights.recurrent,
        weights.inner,
        weights.mixing,
        start[0],
        start[1] if kind.has_cell else None,
    )
    return outputs, (hidden, cell) if kind.has_cell else hidden


def folded(weights: Weights) -> Weights:
    """The same recurrence without a mixture: inputs x + W x_m, (…, G·H), and one recurrent weight W W_m, (G·H, H)."""
    recurrent, mixing = weights.recurrent, weights.mixing
    if mixing is None:
        return weights
    mixed, gated = weights.inputs.split([len(mixing), len(recurrent)], dim=-1)
    full, low = gated.dtype, _product_dtype(gated, len(mixing))
    with torch.autocast(gated.device.type, enabled=False):
        outer = recurrent.to(low)
        inputs, product = gated + (mixed.to(low) @ outer.t()).to(full), (outer @ mixing.to(low)).to(full)
    return Weights(inputs=inputs, recurrent=product, inner=weights.inner)


def run_segment(
    kind: type[Recurrence], model: Any, inputs: Tensor, state: State, segment: Segment | None = None
) -> tuple[Tensor, State]:
    """Runs `model` over a segment with the recurrence `kind`; equal to `unroll` but for rounding.

    Args:
        kind: the cell.
        model: one that has `recurrent_weights`.
        inputs: symbols (n, B), int64; or vectors (n, B, V), which the model encodes.
        state: tensor or tuple of tensors (B, H).
        segment: its factors enter the backward recursion; they are numbers of float64. None: all are 1.

    Returns:
        (hidden states (n, B, H), last state).
    """
    factors = np.ones(len(inputs) - 1) if segment is None else segment.factors
    bounded = segment is not None and segment.memory is not None
    weights, vectors = model.recurrent_weights(), inputs.is_floating_point()
    if vectors:
        weights = replace(weights, inputs=model.encode(inputs))
    return run_recurrence(kind, weights, None if vectors else inputs, state, factors, bounded=bounded)


def _check_symbols(symbols: Tensor, count: int) -> None:
    # compiled code would read beyond the table
    if symbols.device.type == "cpu" and symbols.numel():
        least, greatest = symbols.aminmax()
        if least < 0 or greatest >= count:
            raise IndexError(f"symbols must be 0 … {count - 1}; got {int(least)} … {int(greatest)}")
