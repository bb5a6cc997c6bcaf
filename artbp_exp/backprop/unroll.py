"""Run a model over one segment, step by step, with carry factors between the steps."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from artbp_exp.backprop.carry import carry
from artbp_exp.backprop.state import leaves, map_state
from artbp_exp.errors import UserError
from artbp_exp.truncation import Segment

Step = Callable[[Any, Any], tuple[Any, Any]]


def unroll(step: Step, inputs: Tensor | Sequence[Any], state: Any, segment: Segment) -> tuple[list[Any], Any]:
    """Unrolls `step` over a segment on the autograd tape: the plain path, and every faster one's oracle.

    Args:
        step: (input of one step, state) → (output that the loss reads, next state).
        inputs: shape (n, …), one row a step, n = `segment.length`; or a sequence of n of whatever `step` takes.
        state: the state before the first step; gradients flow into it if it asks for them.
        segment: lengths and factors.

    Returns:
        n outputs, and the state after the last step, *not* detached.

    Raises:
        UserError: there are not as many inputs as the segment has steps.
    """
    rows = inputs.unbind(0) if isinstance(inputs, Tensor) else inputs
    if len(rows) != segment.length:
        raise UserError(f"the segment has {segment.length} steps; got inputs for {len(rows)}: hand in one row a step")
    outputs = []
    factors = segment.factors.tolist()
    # in mixed precision only products are rounded: a state keeps its dtype from step to step
    lowered = len(leaves(state)) > 0 and torch.is_autocast_enabled(leaves(state)[0].device.type)
    for index, row in enumerate(rows):
        before = state
        output, state = step(row, before)
        if lowered:
            state = map_state(_keep_dtype, state, before)
        outputs.append(output)
        if index < len(factors):
            state = carry(state, factors[index])
    return outputs, state


def _keep_dtype(tensor: Tensor, before: Tensor) -> Tensor:
    return tensor.to(before.dtype)
