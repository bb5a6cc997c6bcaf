"""Full backpropagation through time: never cut, one update for each pass over the sequence."""

import numpy as np

from artbp_exp.truncation.scheme import Scheme


def build() -> Scheme:
    """Full BPTT: c(d) = 0."""
    return Scheme(name="bptt", length=None, hazard=lambda lag: np.zeros(lag.shape))
