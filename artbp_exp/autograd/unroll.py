"""Run a model over one segment, step by step, with carry factors between the steps."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from artbp_exp.autograd.carry import carry
from artbp_exp.autograd.checkpointing import checkpointed
from artbp_exp.autograd.state import leaves, map_state
from artbp_exp.errors import UserError
from artbp_exp.truncation import Segment

Step = Callable[[Any, Any], tuple[Any, Any]]


def unroll(step: Step, inputs: Tensor | Sequence[Any], state: Any, segment: Segment) -> tuple[list[Any], Any]:
    """Unrolls `step` over a segment on the autograd tape: the plain path, and every faster one's oracle.

    Args:
        step: (input of one step, state) → (output that the loss reads, next state).
        inputs: shape (n, …), one row a step, n = `segment.length`; or a sequence of n of whatever `step` takes.
        state: the state before the first step; gradients flow into it if it asks for them.
        segment: length, factors, and memory: beyond so many steps `step` is called a second time during the backward
            pass (gradient checkpointing, see `checkpointing`), so that no more steps than that are stored.

    Returns:
        n outputs, and the state after the last step, *not* detached.

    Raises:
        UserError: there are not as many inputs as the segment has steps; `step` does not return a pair; `segment`
            is no segment; or, with a memory, the steps cannot be computed again exactly.
    """
    if not isinstance(segment, Segment):
        raise UserError(f"segment must be one of scheme.segments(…); got {type(segment).__name__}")
    rows = inputs.unbind(0) if isinstance(inputs, Tensor) else inputs
    if len(rows) != segment.length:
        turned = isinstance(inputs, Tensor) and inputs.dim() > 1 and inputs.shape[1] == segment.length
        several = isinstance(inputs, tuple) and all(
            isinstance(part, Tensor) and part.shape[:1] == (segment.length,) for part in inputs
        )
        how = "inputs.transpose(0, 1), " if turned else "list(zip(*inputs)), " if several else ""
        raise UserError(
            f"the segment has {segment.length} steps; got inputs for {len(rows)}: hand in {how}one row a step"
        )
    factors = segment.factors.tolist()
    # in mixed precision only products are rounded: a state keeps its dtype from step to step
    tensors = leaves(state)
    lowered = len(tensors) > 0 and torch.is_autocast_enabled(tensors[0].device.type)
    dtypes = [tensor.dtype for tensor in tensors]

    def run(start: int, stop: int, state: Any) -> tuple[list[Any], Any]:
        outputs = []
        for index in range(start, stop):
            output, state = _pair(step(rows[index], state))
            if lowered:
                state = _with_dtypes(state, dtypes)
            outputs.append(output)
            if index < len(factors):
                state = carry(state, factors[index])
        return outputs, state

    return checkpointed(run, state, segment, owner=step)


def _pair(found: Any) -> tuple[Any, Any]:
    # a tensor of two rows would come apart as a pair without a word
    if not isinstance(found, tuple | list) or len(found) != 2:
        got = f"{len(found)} things" if isinstance(found, tuple | list) else type(found).__name__
        raise UserError(f"step must return a pair, (what the loss reads, the next state); got {got}")
    output, state = found
    return output, state


def _with_dtypes(state: Any, dtypes: list[torch.dtype]) -> Any:
    if len(leaves(state)) != len(dtypes):  # a state that grows: nothing says what its dtypes were
        return state
    left = iter(dtypes)
    return map_state(lambda tensor: tensor.to(next(left)), state)
