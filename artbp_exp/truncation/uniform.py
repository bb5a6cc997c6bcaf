"""Truncated backpropagation through time with lengths drawn uniformly: a rival of ARTBP without its long segments."""

import numpy as np

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.truncation.lengths import from_lengths
from artbp_exp.truncation.mean_length import warned
from artbp_exp.truncation.scheme import Scheme


def build(*, length: int, spread: float = 0.5, reweight: bool = False, memory: int | None = None) -> Scheme:
    """Lengths uniform on L − w … L + w, w = ⌊spread·L⌋: c(d) = 1 / (L + w − d + 1) from d = L − w on.

    Biased unless L + w covers the sequence.

    Args:
        length: L, the mean length, in steps.
        spread: from 0 (truncated BPTT) to below 1.
        reweight: true compensates what can be: all cuts but the certain one after L + w steps.
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.

    Raises:
        UserError: a value out of range.
    """
    length = checks.whole("length", length, at_least=1)
    spread = checks.number("spread", spread, at_least=0)
    if spread >= 1:
        raise UserError(f"{checks.setting('spread')} must be at least 0 and below 1; got {spread:g}")
    width = int(spread * length)
    chances = np.zeros(length + width)
    chances[length - width - 1 :] = 1 / (2 * width + 1)
    return warned(from_lengths(chances, name="uniform", reweight=checks.flag("reweight", reweight), memory=memory))
