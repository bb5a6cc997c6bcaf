"""What a method costs: steps stored and recomputed, from lengths drawn as if the data had no end."""

import numpy as np

from artbp_exp.diagnosis.memory import mean_stored
from artbp_exp.truncation import Scheme

SEGMENTS = 20_000
"""Lengths drawn: a million steps at a mean length of 50."""

LONGEST = 1_000_000
"""Steps at which a drawn length is cut off; at α ≥ 3.5 and L0 = 50 one in 10¹⁰ is longer."""


def costs(scheme: Scheme, rng: np.random.Generator) -> dict[str, float]:
    """The cost columns of `methods.csv`; lengths are drawn here, since a stretch of data would cut them short.

    With N the length of a segment, everything kept: `stored_mean` is E[N(N − 1)]/(2 E[N]), stored steps averaged over
    time (`stored_mean_theory` is its exact value), and `stored_peak` the longest of the drawn segments.
    As the engines do it with `method.memory` = m, a segment is run in pieces of m steps, the first of them with what
    is left over: `kept_mean` and `kept_peak` are the same for pieces instead of segments (one state a piece is kept
    besides), and `recomputed` = E[max(N − m, 0)]/E[N], forward steps done twice, as a share of all steps.

    Args:
        scheme: with its `memory`.
        rng: draws the lengths.
    """
    lengths = np.array([scheme.draw(rng, LONGEST) for _ in range(SEGMENTS)])
    steps = lengths.sum()
    size = scheme.memory or LONGEST
    whole, rest = lengths // size, lengths % size
    pieces = whole * (size * (size - 1) // 2) + rest * (rest - 1) // 2
    return {
        "mean_length": float(steps / SEGMENTS),
        "stored_mean": float((lengths * (lengths - 1) / 2).sum() / steps),
        "stored_mean_theory": mean_stored(scheme),
        "stored_peak": int(lengths.max()),
        "kept_mean": float(pieces.sum() / steps),
        "kept_peak": int(np.minimum(lengths, size).max()),
        "recomputed": float(np.maximum(lengths - size, 0).sum() / steps),
    }
