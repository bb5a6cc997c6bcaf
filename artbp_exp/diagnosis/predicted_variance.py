"""The variance that the exact formula (docs/method.md) predicts, and what sharing cuts among streams costs."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import map_state
from artbp_exp.diagnosis.places import WIDTH, Places
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Scheme
from artbp_exp.verification.oracle import Full, crossing

SEEN = 10
"""Segments among the draws that must reach a lag, for the measured variance to tell of it."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Σ_t E[c_t/(1 − c_t)·‖ε_t G_t‖²], estimated from some places where a segment may begin.

    Attributes:
        variance: in the gradient's own unit, squared.
        low: of its 95 % interval over those places.
        high: likewise.
        error: its standard error, so widened that ± 1.96 of it are that interval.
        kappa: ‖E Y‖²/E‖Y‖² for the streams' crossing gradients Y, from pairs of different streams: it can come out
            below 0. nan for a single stream.
        kappa_low: of its 95 % interval over the places: it knows nothing of streams that were not measured.
        kappa_high: likewise.
        rare: share of `variance` from lags that fewer than 10 segments of all the draws would reach: what so many draws
            cannot show.
    """

    variance: float
    low: float
    high: float
    error: float
    kappa: float
    kappa_low: float
    kappa_high: float
    rare: float


def predict(
    model: RecurrentModel,
    full: Full,
    scheme: Scheme,
    *,
    streams: int,
    starts: int,
    draws: int,
    rng: np.random.Generator,
) -> Predicted:
    """Samples beginnings a evenly over the sequence, and lags d in strata: a mean over samples is exact.

    Σ_a u(a) Σ_d P(length ≥ d)·c(d)/(1 − c(d))·‖ε_{a+d} G_{a+d}‖², u the renewal probability. Lags are drawn one from
    each of 1, 2, 3, 4, 5, 6, 7–8, 9–10, 11–13, …, evenly within: long lags are rare but weigh most, and would be missed
    if they were drawn by their probability. (Interpolating between fixed lags would be wrong where the last factor
    jumps from step to step, as it does on text.)

    Args:
        model: at θ.
        full: of the sequence of T steps.
        scheme: compensated, with hazards below 1.
        streams: B; 1 leaves κ out and takes all streams at once.
        starts: how many beginnings, at least 4.
        draws: gradients that the prediction is to be compared with.
        rng: chooses where.
    """
    steps = len(full.states)
    hazard = scheme.hazard(np.arange(1, steps + 1))[:-1]
    survival, factors = scheme.survival(steps), scheme.factors(steps)
    begins = renewal(scheme, steps)
    # the first segment begins at 0 for certain, the others somewhere: those places are sampled, 0 only for its lags
    firsts = max(2, starts // 6)
    places = Places(steps=steps, firsts=firsts, others=starts - firsts)
    # segments of all draws that last to each lag and beyond
    reached = draws * survival[: steps - 1] * np.cumsum(begins)[: steps - 1][::-1]
    shared, single, rare = np.zeros(starts), np.zeros(starts), np.zeros(starts)
    separate = [full] if streams == 1 else [_only(full, stream) for stream in range(streams)]
    for index, start in enumerate(places.drawn(rng)):
        edges = lag_edges(steps - 1 - int(start))
        widths = np.diff(edges)
        lags = rng.integers(edges[:-1] + 1, edges[1:] + 1)
        stops = [int(start + lag) for lag in lags]
        crossed = [list(crossing(model, one, int(start), stops, factors.tolist())) for one in separate]
        together = np.array([_size(sum(parts[1:], parts[0])) for parts in zip(*crossed, strict=True)])
        apart = np.array([sum(_size(part) for part in parts) for parts in zip(*crossed, strict=True)])
        odds = hazard[lags - 1] / (1 - hazard[lags - 1])
        weight = widths * begins[start] * survival[lags - 1] * odds
        shared[index] = weight @ together
        single[index] = weight @ apart
        rare[index] = (weight * (reached[lags - 1] < SEEN)) @ together

    variance, error = places.total(shared), places.error(shared)
    kappa, its = _kappa(shared, single, places, streams)
    return Predicted(
        variance=variance,
        low=max(variance - WIDTH * error, 0.0),
        high=variance + WIDTH * error,
        error=error,
        kappa=kappa,
        kappa_low=kappa - WIDTH * its,
        kappa_high=kappa + WIDTH * its,
        rare=places.total(rare) / variance if variance > 0 else 0.0,
    )


def _kappa(shared: np.ndarray, single: np.ndarray, places: Places, streams: int) -> tuple[float, float]:
    """κ, from variance with shared cuts / with independent ones = 1 + (B − 1)κ, and the standard error of the ratio."""
    apart = places.total(single)
    if streams == 1 or apart == 0:
        return float("nan"), float("nan")
    ratio = places.total(shared) / apart
    # a ratio of totals errs, to first order, as the total of what is left of it at each place
    return (ratio - 1) / (streams - 1), places.error(shared - ratio * single) / apart / (streams - 1)


def renewal(scheme: Scheme, steps: int) -> np.ndarray:
    """u(a), a = 0 … `steps` − 1: the probability that a segment begins after step a; u(0) = 1."""
    hazard = scheme.hazard(np.arange(1, steps + 1))
    ends = scheme.survival(steps)[:-1] * hazard  # P(length = 1), P(length = 2), …
    begins = np.zeros(steps)
    begins[0] = 1.0
    for a in range(1, steps):
        begins[a] = begins[:a] @ ends[:a][::-1]
    return begins


def lag_edges(longest: int) -> np.ndarray:
    """0, 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, … up to `longest`, which is always among them: a stratum ends at each."""
    wanted = np.geomspace(1, longest, 2 + int(3 * np.log2(longest))).round()
    return np.unique(np.concatenate([[0], wanted, [longest]])).astype(int)


def _size(vector: Tensor) -> float:
    return float(vector.square().sum())


def _only(full: Full, stream: int) -> Full:
    """The same with what arrives at all streams but one set to zero."""

    def keep(tensor: Tensor) -> Tensor:
        kept = torch.zeros_like(tensor)
        kept[stream] = tensor[stream]
        return kept

    return replace(full, arriving=[map_state(keep, state) for state in full.arriving])
