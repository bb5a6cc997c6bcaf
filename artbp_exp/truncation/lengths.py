"""Any distribution of segment lengths is a hazard: c(n) = P(length = n) / P(length ≥ n)."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artbp_exp.errors import UserError
from artbp_exp.truncation.scheme import Floats, Scheme


def from_lengths(
    probabilities: Sequence[float] | NDArray[Any], *, name: str, reweight: bool = False, memory: int | None = None
) -> Scheme:
    """The scheme whose segments have lengths n = 1 … M with the given probabilities.

    A segment of length M is cut for certain. The gradient is therefore biased, with `reweight` as well, unless M
    covers the sequence: what crosses that cut is lost, and no factor makes up for it.

    Args:
        probabilities: P(length = n) for n = 1 … M, shape (M,); they sum to 1.
        name: of the scheme.
        reweight: whether the gradient that is carried on is multiplied by 1 / (1 − c).
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.

    Raises:
        UserError: the probabilities are empty, negative or do not sum to 1.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    if chances.ndim != 1 or not chances.size or not (chances >= 0).all() or abs(chances.sum() - 1) > 1e-9:
        raise UserError(
            f"probabilities of the lengths 1, 2, … must be ≥ 0 and sum to 1; got shape {chances.shape}, "
            f"sum {chances.sum():g}: divide them by their sum"
        )
    reaches = np.cumsum(chances[::-1])[::-1]  # P(length ≥ n), from the tail: differences from 1 would lose it
    last = int(np.flatnonzero(chances)[-1])
    hazard = np.ones(last + 1)
    hazard[:last] = np.minimum(1.0, chances[:last] / reaches[:last])
    mean = float(chances @ np.arange(1, chances.size + 1))
    return Scheme(name=name, length=mean, hazard=partial(_looked_up, hazard), reweight=reweight, memory=memory)


def _looked_up(table: Floats, lag: NDArray[np.int64]) -> Floats:
    """c(d) from a table of c(1) … c(M); longer segments do not occur."""
    found: Floats = table[np.minimum(lag, table.size) - 1]
    return found
