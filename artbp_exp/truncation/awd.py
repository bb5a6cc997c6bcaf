"""The randomised lengths of AWD-LSTM (Merity, Keskar & Socher 2018, arXiv 1708.02182, section 5)."""

import math

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.truncation.lengths import from_lengths
from artbp_exp.truncation.mean_length import warned
from artbp_exp.truncation.scheme import Floats, Scheme

TAIL = 9.0
"""Deviations beyond the mean where the normal distribution ends here; 10⁻¹⁹ of it lies beyond."""


def build(
    *,
    length: float,
    full: float = 0.95,
    deviation: float = 5.0,
    shortest: int = 5,
    reweight: bool = False,
    memory: int | None = None,
) -> Scheme:
    """N = max(shortest, ⌊x⌋), x normal around L with probability `full`, around L/2 otherwise.

    Its authors also multiply the learning rate by N/L (optimizer.length_scaling=true). Biased: an upper end of the
    lengths is a certain cut.

    Args:
        length: L, in steps; the mean length is a little less.
        full: probability of L; that of L/2 is the rest.
        deviation: standard deviation of the normal distribution, in steps.
        shortest: length in place of a shorter one.
        reweight: true compensates what can be.
        memory: steps stored at a time for the backward pass, see `Scheme`; None stores all.

    Raises:
        UserError: a value out of range.
    """
    length = checks.number("length", length, at_least=1)
    full = checks.number("full", full, at_least=0)
    if full > 1:
        raise UserError(f"{checks.setting('full')} must be a probability, from 0 to 1; got {full:g}")
    deviation = checks.number("deviation", deviation, above=0)
    shortest = checks.whole("shortest", shortest, at_least=1)
    lengths = np.arange(1, max(shortest, math.ceil(length + TAIL * deviation)) + 1)
    chances = full * _floored(lengths, length, deviation) + (1 - full) * _floored(lengths, length / 2, deviation)
    chances[shortest - 1] = max(0.0, 1.0 - chances[shortest:].sum())
    chances[: shortest - 1] = 0.0
    return warned(from_lengths(chances, name="awd", reweight=checks.flag("reweight", reweight), memory=memory))


def _floored(lengths: NDArray[np.int64], mean: float, deviation: float) -> Floats:
    """P(⌊x⌋ = n) of a normal x for each n ≥ 1 of `lengths`."""
    edges = np.append(lengths, lengths[-1] + 1)
    below = np.array([0.5 * math.erfc((mean - edge) / (deviation * math.sqrt(2))) for edge in edges])
    above = np.array([0.5 * math.erfc((edge - mean) / (deviation * math.sqrt(2))) for edge in edges])
    # from the nearer tail: a difference of two numbers near 1 has no digits left
    found: Floats = np.where(edges[1:] > mean, above[:-1] - above[1:], below[1:] - below[:-1])
    return found
