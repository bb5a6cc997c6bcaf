"""Truncated backpropagation through time: cut every L steps."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.truncation.lengths import from_lengths
from artbp_exp.truncation.scheme import Floats, Scheme


def build(*, length: int, phase: str = "fixed", memory: int | None = None) -> Scheme:
    """Truncated BPTT: c(d) = 1 at d = L, else 0. Biased unless L covers the sequence.

    With `phase=random` the first segment of each pass has a length uniform on 1 … L, so that the cuts fall elsewhere
    in each epoch. What crosses L steps is lost all the same.

    Args:
        length: L, in steps.
        phase: `fixed` cuts after L, 2L, … steps of each pass; `random` draws the place of its first cut.
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.

    Raises:
        UserError: `length` or `memory` is not a whole number ≥ 1, or an unknown phase.
    """
    length = checks.whole("length", length, at_least=1)
    checks.choice("phase", phase, ["fixed", "random"])
    first = None
    if phase == "random":
        first = from_lengths(np.full(length, 1 / length), name="tbptt", memory=memory)
    return Scheme(name="tbptt", length=length, hazard=partial(_at, length), memory=memory, first=first)


def _at(length: int, lag: NDArray[np.int64]) -> Floats:
    return np.where(lag == length, 1.0, 0.0)
