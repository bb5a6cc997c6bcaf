"""Run a model over one segment, step by step, with carry factors between the steps."""

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from artbp_exp.backprop.carry import carry
from artbp_exp.backprop.state import State, map_state
from artbp_exp.truncation import Segment

Step = Callable[[Tensor, State], tuple[Tensor, State]]


def unroll(step: Step, inputs: Tensor, state: State, segment: Segment) -> tuple[list[Tensor], State]:
    """Unrolls `step` over a segment on the autograd tape: the plain path, and every faster one's oracle.

    Args:
        step: (input of one step, state) → (output that the loss reads, next state).
        inputs: shape (n, …), one row a step, n = `segment.length`.
        state: the state before the first step; gradients flow into it if it asks for them.
        segment: lengths and factors.

    Returns:
        n outputs, and the state after the last step, *not* detached.
    """
    outputs = []
    factors = segment.factors.tolist()
    # in mixed precision only products are rounded: a state keeps its dtype from step to step
    lowered = torch.is_autocast_enabled(inputs.device.type)
    for index, row in enumerate(inputs.unbind(0)):
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


def unroll_blocks(block: Step, inputs: Tensor, state: State, segment: Segment) -> tuple[Tensor, State]:
    """Runs a kernel of many steps over a segment: in one go wherever the carry factors are 1.

    With cuts every k steps only, the factors in between are 1, and `block` runs k steps at a time.

    Args:
        block: (inputs (k, B, …), state) → (outputs (k, B, H), next state), for any k ≥ 1.
        inputs: (n, B, …), n = `segment.length`.
        state: the state before the first step.
        segment: lengths and factors.

    Returns:
        outputs (n, B, H), and the state after the last step, *not* detached.
    """
    bounds = [0, *(np.flatnonzero(segment.factors != 1.0) + 1).tolist(), segment.length]
    outputs = []
    for start, stop in itertools.pairwise(bounds):
        if start > 0:
            state = carry(state, float(segment.factors[start - 1]))
        output, state = block(inputs[start:stop], state)
        outputs.append(output)
    return torch.cat(outputs), state
