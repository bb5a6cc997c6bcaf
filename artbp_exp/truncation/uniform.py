"""Truncated backpropagation through time with lengths drawn uniformly: a rival of ARTBP without its long segments."""

import numpy as np

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.truncation.lengths import from_lengths
from artbp_exp.truncation.scheme import Scheme


def build(*, shortest: int = 25, longest: int = 75, reweight: bool = False, memory: int | None = None) -> Scheme:
    """Lengths uniform on a … b: c(d) = 1 / (b − d + 1) from d = a on. Biased unless b covers the sequence.

    Args:
        shortest: a, in steps.
        longest: b, in steps.
        reweight: true compensates what can be: all cuts but the certain one after b steps.
        memory: steps kept at a time for the backward pass, see `Scheme`; None keeps all.

    Raises:
        UserError: a value out of range, or `longest` < `shortest`.
    """
    shortest = checks.whole("method.shortest", shortest, at_least=1)
    longest = checks.whole("method.longest", longest, at_least=1)
    if longest < shortest:
        raise UserError(f"method.longest={longest} is less than method.shortest={shortest}: swap them")
    chances = np.zeros(longest)
    chances[shortest - 1 :] = 1 / (longest - shortest + 1)
    memory = None if memory is None else checks.whole("method.memory", memory, at_least=1)
    return from_lengths(chances, name="uniform", reweight=checks.flag("method.reweight", reweight), memory=memory)
