"""A long segment in pieces: what a piece has to keep for its backward pass is computed again when it is needed."""

from collections.abc import Callable
from typing import Any

from torch.utils.checkpoint import checkpoint

from artbp_exp.truncation import Segment

Run = Callable[[int, int, Any], tuple[list[Any], Any]]
"""(first step, step after the last, state before) → (outputs, state handed on)."""


def pieces(length: int, memory: int | None) -> list[tuple[int, int]]:
    """Pieces of `memory` steps, as (first step, step after the last); the first is of what is left over.

    Args:
        length: of the segment, in steps.
        memory: steps whose intermediate results are kept at a time; None keeps all, in one piece.
    """
    size = length if memory is None else memory
    first = length % size or min(size, length)
    return [(0, first), *((start, start + size) for start in range(first, length, size))]


def piecewise(run: Run, state: Any, segment: Segment) -> tuple[list[Any], Any]:
    """Runs a segment in pieces of `segment.memory` steps, all but the last of them computed twice.

    The gradient is the same; states between pieces and outputs are kept. Whatever `run` draws from torch's random
    streams, it draws again alike.

    Returns:
        The outputs of all pieces, and the state after the last.
    """
    outputs: list[Any] = []
    for start, stop in pieces(segment.length, segment.memory):
        if stop < segment.length:
            found, state = checkpoint(run, start, stop, state, use_reentrant=False)
        else:  # its backward pass comes first: nothing would be gained
            found, state = run(start, stop, state)
        outputs += found
    return outputs, state
