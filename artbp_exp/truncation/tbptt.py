"""Truncated backpropagation through time: cut every L steps."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.truncation.scheme import Floats, Scheme


def build(*, length: int, memory: int | None = None) -> Scheme:
    """Truncated BPTT: c(d) = 1 at d = L, else 0. Biased unless L covers the sequence.

    Args:
        length: L, in steps.
        memory: steps kept at a time for the backward pass, see `Scheme`; None keeps all.

    Raises:
        UserError: `length` or `memory` is not a whole number ≥ 1.
    """
    length = checks.whole("method.length", length, at_least=1)
    memory = None if memory is None else checks.whole("method.memory", memory, at_least=1)
    return Scheme(name="tbptt", length=length, hazard=partial(_at, length), memory=memory)


def _at(length: int, lag: NDArray[np.int64]) -> Floats:
    return np.where(lag == length, 1.0, 0.0)
