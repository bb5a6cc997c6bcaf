"""Full backpropagation through time: never cut, one update for each pass over the sequence."""

import numpy as np
from numpy.typing import NDArray

from artbp_exp.truncation.scheme import Floats, Scheme


def build(*, memory: int | None = None) -> Scheme:
    """Full BPTT: c(d) = 0.

    Args:
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.

    Raises:
        UserError: `memory` is not a whole number ≥ 1.
    """
    return Scheme(name="bptt", length=None, hazard=_never, memory=memory)


def _never(lag: NDArray[np.int64]) -> Floats:
    return np.zeros(lag.shape)
