"""Truncated backpropagation through time: cut every L steps."""

from artbp_exp import checks
from artbp_exp.truncation.scheme import Scheme


def build(*, length: int) -> Scheme:
    """Truncated BPTT: c(d) = 1 at d = L, else 0. Biased unless L covers the sequence.

    Args:
        length: L, in steps.

    Raises:
        UserError: `length` is not a whole number ≥ 1.
    """
    length = checks.whole("method.length", length, at_least=1)
    return Scheme(name="tbptt", length=length, hazard=lambda lag: (lag == length).astype("float64"))
