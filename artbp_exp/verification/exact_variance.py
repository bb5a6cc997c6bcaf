"""What drawn cuts may be off by: the exact variance (docs/method.md), not the one that a few draws happen to show."""

import math

import numpy as np

from artbp_exp.theory.predicted_variance import predicted_variance
from artbp_exp.verification.exact import known_bias
from artbp_exp.verification.oracle import full_bptt, squared_crossings
from artbp_exp.verification.prescribed import size
from artbp_exp.verification.probe import Probe

STARTS = 12
"""Places at which segments begin, of which the formula's sum is a sample."""

EXPENSIVE = 2e7
"""Parameters × steps beyond which the variance is not worked out: it would take longer than the draws."""


def variance_of_one(probe: Probe, draws: int) -> float:
    """Upper end of the 95 % interval of E‖ĝ − g‖² by the formula; infinite where it does not hold or costs too much.

    Args:
        probe: at full size.
        draws: that are to be judged by it.
    """
    steps = probe.task.steps
    if known_bias(probe) is not None or size(probe.model) * steps > EXPENSIVE or steps < 4:
        return math.inf
    rng = np.random.default_rng(0)
    full = full_bptt(probe.model, probe.task)
    crossings = squared_crossings(probe.model, full, probe.scheme.factors(steps))
    # streams=1: all streams together, as they share their cuts
    return predicted_variance(probe.scheme, steps, crossings, streams=1, starts=STARTS, draws=draws, rng=rng).high
