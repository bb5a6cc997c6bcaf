"""Run a model over one segment, step by step, with carry factors between the steps."""

from collections.abc import Callable

from torch import Tensor

from artbp_exp.backprop.carry import carry
from artbp_exp.backprop.state import State
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
    for index, row in enumerate(inputs.unbind(0)):
        output, state = step(row, state)
        outputs.append(output)
        if index < len(factors):
            state = carry(state, factors[index])
    return outputs, state
