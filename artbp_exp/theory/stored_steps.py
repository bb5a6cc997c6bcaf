"""Stored steps averaged over time, the memory at which schedules are compared: M = E[N(N − 1)] / (2 E[N]).

N is the length of a segment. With S(n) = P(N > n), E[N] = Σ S(n) and E[N(N − 1)]/2 = Σ n·S(n). For both of ARTBP's
schedules 1/c(d) = u + v·d is a straight line (the paper's: u = L0·(α − 2)/(α − 1), v = 1/(α − 1); constant: u = L0,
v = 0). Then S(n)·(u + v·n) − S(n + 1)·(u + v·(n + 1)) = (1 − v)·S(n), a telescoping sum:

    Σ_{n ≥ m} S(n) = (u + v·m)·S(m)/(1 − v),    E[N] = u/(1 − v)                       for v < 1, else infinite
    Σ n·S(n) = Σ_{m ≥ 1} Σ_{n ≥ m} S(n) = u·(E[N] − 1)/(1 − 2v)                         for v < ½, else infinite

so M = (L0 − 1)·(α − 2)/(α − 3) for the paper's schedule and L0 − 1 for the constant one. With `every` = k a length is
k times one of mean L0/k, and M is k times that one's M plus (k − 1)/2.
"""

from collections.abc import Callable

import numpy as np

from artbp_exp.errors import UserError
from artbp_exp.theory.survival import hazards, renewal, survival
from artbp_exp.truncation import Scheme

HORIZON = 20_000
"""Lags summed one by one, at least; beyond them 1/c is continued as a straight line, as it is in both schedules."""

LONGEST_SUM = 4_000_000
"""Lags summed one by one, at most."""

ROUNDING = 1e-9
"""Of a slope worked out from hazards."""

LONG_SEQUENCE = 2_000
"""Steps of a sequence beyond which its end matters little to the mean of what is stored."""

SEGMENTS = 20_000
"""Lengths drawn by `drawn_stored_steps`: a million steps at a mean length of 50."""

LONGEST_DRAW = 1_000_000
"""Steps at which a drawn length ends; at α ≥ 3.5 and L0 = 50 one in 10¹⁰ is longer."""


def mean_stored_steps(scheme: Scheme) -> float:
    """M, in steps: exact if 1/c(d) is a straight line beyond the horizon, over the lags where cuts may fall.

    Infinite where no cut is ever made, or the tail of the lengths is too heavy (the paper's schedule at α ≤ 3).
    """
    if scheme.length is None:
        return float("inf")
    length = int(scheme.length)
    if scheme.hazard(np.array([length]))[0] == 1 and not hazards(scheme, min(length, HORIZON) - 1).any():
        return (length - 1) / 2  # every segment has this length
    horizon = max(HORIZON, min(4 * length, LONGEST_SUM))
    hazard, survival = hazards(scheme, horizon), scheme.survival(horizon)
    first, second = survival.sum(), np.arange(horizon + 1) @ survival
    if survival[-1] > 0:
        lags = np.flatnonzero(hazard) + 1
        last = int(lags[-1]) if lags.size > 2 else 0
        apart = int(lags[-1] - lags[-2]) if last else horizon
        if last + apart <= horizon:
            return float("inf")  # no cuts beyond
        blocks, more = _beyond(1 / hazard[lags - 1])
        # from the last cut on, lag n = last + apart·j + i with i < apart, and P(N > n) is that of surviving j cuts
        goes_on = survival[last]
        first = survival[:last].sum() + goes_on * apart * blocks
        inner = apart**2 * more + apart * (apart - 1) / 2 * blocks
        second = np.arange(last) @ survival[:last] + goes_on * (last * apart * blocks + inner)
    return float(second / first)


def stored_steps_within(scheme: Scheme, steps: int) -> float:
    """Stored steps averaged over a sequence of T = `steps` steps, whose end ends the last segment.

    (1/T) Σ_a u(a) Σ_{n < T − a} min(n, m)·P(N > n), with u(a) the probability that a segment begins after step a and m
    the scheme's memory. Of a long sequence the smaller of M and (T − 1)/2, each of which it cannot exceed.
    """
    if steps > LONG_SEQUENCE:
        return min(mean_stored_steps(scheme), (steps - 1) / 2, float(min(scheme.memory or steps, steps)))
    kept = np.minimum(np.arange(steps), min(scheme.memory or steps, steps))
    first, later = (np.cumsum(kept * survival(one, steps - 1)) for one in (scheme.at(0), scheme))
    begins = renewal(scheme, steps)
    return float(first[-1] + begins[1:] @ later[-2::-1]) / steps


def length_for_stored_steps(build: Callable[[float], Scheme], wanted: float, *, shortest: float = 1.0) -> float:
    """The mean length, in steps, at which M is `wanted`; to six digits.

    Args:
        build: the scheme of a given mean length; M must grow with it, and the hazard must not rise within a segment.
        wanted: M, in steps.
        shortest: mean length that the scheme can have at least, its `every`.

    Raises:
        UserError: there is no such length (the paper's schedule needs α > 3).
    """
    low, high = shortest, wanted + shortest + 1  # M ≥ L0 − k + (k − 1)/2, with k the shortest
    # at the shortest every segment has that length
    if not (low - 1) / 2 <= wanted < mean_stored_steps(build(high)) < float("inf"):
        raise UserError(f"no mean length gives {wanted:g} stored steps on average; take an exponent α above 3")
    while high - low > 1e-9:
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        low, high = (middle, high) if mean_stored_steps(build(middle)) <= wanted else (low, middle)
    return float(f"{0.5 * (low + high):.6g}")


def drawn_stored_steps(scheme: Scheme, rng: np.random.Generator) -> dict[str, float]:
    """What drawn segments cost, as if the data had no end; a window of data would cut them short.

    With everything kept, `stored_mean` is E[N(N − 1)]/(2 E[N]) (`stored_mean_theory` its exact value) and
    `stored_peak` the longest segment drawn. With `scheme.memory` = m a segment runs in blocks of m steps, the first of
    which has the remainder: `kept_mean` and `kept_peak` are the same for blocks (one state a block is kept besides),
    and `recomputed` = E[max(N − m, 0)]/E[N] is the share of forward steps that is done twice.
    """
    lengths = np.array([scheme.draw(rng, LONGEST_DRAW) for _ in range(SEGMENTS)])
    steps = lengths.sum()
    size = scheme.memory or LONGEST_DRAW
    whole, rest = lengths // size, lengths % size
    blocks = whole * (size * (size - 1) // 2) + rest * (rest - 1) // 2
    return {
        "mean_length": float(steps / SEGMENTS),
        "stored_mean": float((lengths * (lengths - 1) / 2).sum() / steps),
        "stored_mean_theory": mean_stored_steps(scheme),
        "stored_peak": int(lengths.max()),
        "kept_mean": float(blocks.sum() / steps),
        "kept_peak": int(np.minimum(lengths, size).max()),
        "recomputed": float(np.maximum(lengths - size, 0).sum() / steps),
    }


def _beyond(inverse: np.ndarray) -> tuple[float, float]:
    """Σ S(j) and Σ j·S(j) of the cuts that are still survived after those with 1/c = `inverse`."""
    # the line is fitted to the later half: a hazard may begin as it likes
    half = inverse.size // 2
    start = float(inverse[-1])
    slope = max((start - float(inverse[half - 1])) / (inverse.size - half), 0.0)
    mean = start / (1 - slope) if slope < 1 - ROUNDING else float("inf")
    return mean, start * (mean - 1) / (1 - 2 * slope) if slope < 0.5 - ROUNDING else float("inf")
