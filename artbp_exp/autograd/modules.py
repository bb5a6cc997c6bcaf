"""torch's own recurrent modules, run by the recurrences, because torch's kernels take no factors: `unroll_blocks`."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp.autograd.fused.cells import GRURecurrence, LSTMRecurrence, RNNRecurrence
from artbp_exp.autograd.fused.execution import has_numba
from artbp_exp.autograd.fused.recurrence import Recurrence, Weights
from artbp_exp.autograd.fused.segment import run_recurrence

KINDS: dict[type[Any], type[Recurrence]] = {nn.LSTM: LSTMRecurrence, nn.GRU: GRURecurrence, nn.RNN: RNNRecurrence}


def recurrence_of(module: Any, inputs: Tensor) -> type[Recurrence] | None:
    """The recurrence that computes what `module` computes, and faster; None where there is none.

    There is none for what is more than the module: a subclass, a parametrization, hooks, autocast, `torch.func`.
    """
    kind = KINDS.get(type(module))
    if kind is None or not has_numba():
        return None
    weight = module.weight_hh_l0
    plain = not (module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)
    plain = plain and not (module._backward_pre_hooks or "forward" in vars(module))
    same = not module.proj_size and getattr(module, "nonlinearity", "tanh") == "tanh" and not module.bidirectional
    drops = module.dropout > 0 and module.training and module.num_layers > 1
    known = weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64)
    fits = inputs.dim() == 3 and inputs.dtype == weight.dtype and inputs.device == weight.device
    outside = torch.is_autocast_enabled("cpu") or torch._C._are_functorch_transforms_active()
    return kind if plain and same and known and fits and not drops and not outside else None


def run_module(
    kind: type[Recurrence], module: Any, inputs: Tensor, state: Any, factors: Any
) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
    """Runs a module of torch over a segment, layer by layer, as `module(inputs, state)` does but for the factors.

    Args:
        kind: what `recurrence_of` found.
        module: `nn.LSTM`, `nn.GRU` or `nn.RNN`.
        inputs: (n, B, I), or (B, n, I) with `batch_first`.
        state: the module's, or None for zeros.
        factors: between the steps, (n − 1,).

    Returns:
        (outputs, last state), as the module returns them.
    """
    outputs = inputs.transpose(0, 1) if module.batch_first else inputs
    if state is None:
        zeros = outputs.new_zeros(module.num_layers, outputs.shape[1], module.hidden_size)
        state = (zeros, zeros) if kind.has_cell else zeros
    module.check_forward_args(inputs, state, None)
    ends = []
    for layer in range(module.num_layers):
        start = (state[0][layer], state[1][layer]) if kind.has_cell else state[layer]
        weights = _weights(kind, module, layer, outputs)
        outputs, last = run_recurrence(kind, weights, None, start, factors)
        ends.append(last)
    outputs = outputs.transpose(0, 1) if module.batch_first else outputs
    if kind.has_cell:
        return outputs, tuple(torch.stack(part) for part in zip(*ends, strict=True))
    return outputs, torch.stack(ends)


def _weights(kind: type[Recurrence], module: Any, layer: int, inputs: Tensor) -> Weights:
    """A layer's weights; the bias of the recurrent product joins that of the inputs but in a GRU, whose r gates it."""
    enter, recurrent, *biases = module.all_weights[layer]
    inner = biases[1] if biases and kind is GRURecurrence else None
    bias = None if not biases else biases[0] if inner is not None else biases[0] + biases[1]
    projected = nn.functional.linear(inputs, enter, bias)
    # within `artbp.verify` torch's functions take a frozen weight for float64, which the recurrences see as it is
    dtype = projected.dtype
    return Weights(inputs=projected, recurrent=recurrent.to(dtype), inner=None if inner is None else inner.to(dtype))
