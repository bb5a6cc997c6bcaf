"""One autograd function over a whole segment, with the carry factors inside its backward recursion."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp.autograd.fused.recurrence import Recurrence
from artbp_exp.autograd.state import State, leaves
from artbp_exp.truncation import Segment


class _FusedSegment(torch.autograd.Function):
    """(symbols, state, parameters) → (hidden states (n, B, H), last state)."""

    @staticmethod
    def forward(
        ctx: Any,
        kind: type[Recurrence],
        factors: list[float],
        symbols: Tensor,
        width: int,
        *tensors: Tensor,
    ) -> Any:
        device = symbols.device.type
        low = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else tensors[0].dtype
        with torch.autocast(device, enabled=False):
            recurrence = kind(symbols=symbols, state=tensors[:width], parameters=tensors[width:], product_dtype=low)
            for step in range(symbols.shape[0]):
                recurrence.forward(step)
        ctx.factors, ctx.width = factors, width
        ctx.needs_state = any(ctx.needs_input_grad[4 : 4 + width])
        # gradients of outputs that nobody read arrive as None, not as tensors of zeros
        ctx.set_materialize_grads(False)
        results = recurrence.outputs(), *recurrence.last()
        # saved by autograd's own means, so that checkpointing can drop it and compute it again
        ctx.save_for_backward(*recurrence.take_tensors())
        ctx.recurrence = recurrence
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        recurrence: Recurrence | None = ctx.recurrence
        if recurrence is None:
            raise RuntimeError("a fused segment can be backpropagated once: the backward pass overwrites what it reads")
        recurrence.put_tensors(ctx.saved_tensors)
        ctx.recurrence = None
        steps = recurrence.steps
        recurrence.begin_backward(gradients[0], gradients[1:])
        # δ_t = ∂ℓ_t/∂s_t + factor_t · δ_{t+1} ∂F/∂s: what arrives from step t + 1 is scaled as step t takes it up
        for step in reversed(range(steps)):
            recurrence.backward(step, ctx.factors[step] if step + 1 < steps else 1.0)
            if step > 0 or ctx.needs_state:
                recurrence.carry_back(step)
        state = recurrence.state_gradient() if ctx.needs_state else (None,) * ctx.width
        parameters = recurrence.parameter_gradients()
        return None, None, None, None, *state, *parameters


def run_segment(
    kind: type[Recurrence], model: nn.Module, inputs: Tensor, state: State, segment: Segment | None = None
) -> tuple[Tensor, State]:
    """Runs `model` over a segment with the recurrence `kind`; equal to `unroll` but for rounding.

    Args:
        kind: the cell's recursion.
        model: holds the parameters that `kind.parameters` names.
        inputs: symbols (n, B), int64.
        state: tensor or tuple of tensors (B, H).
        segment: its factors enter the backward recursion; they are numbers of float64. None: all are 1.

    Returns:
        (hidden states (n, B, H), last state).
    """
    start = leaves(state)
    parameters = [getattr(model, name) for name in kind.parameters]
    factors = [1.0] * (len(inputs) - 1) if segment is None else segment.factors.tolist()
    outputs, *last = _FusedSegment.apply(kind, factors, inputs, len(start), *start, *parameters)
    return outputs, last[0] if isinstance(state, Tensor) else tuple(last)
