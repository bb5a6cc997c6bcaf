"""The variance that the exact formula (docs/method.md) predicts, and what sharing cuts among streams costs."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from artbp_exp.backprop import map_state
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Scheme
from artbp_exp.verification.oracle import Full, crossing


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Σ_t E[c_t/(1 − c_t)·‖ε_t G_t‖²], estimated from some places where a segment may begin.

    Attributes:
        variance: in the gradient's own unit, squared.
        low: of its 95 % bootstrap interval over those places.
        high: likewise.
        kappa: ‖E Y‖²/E‖Y‖² for the streams' crossing gradients Y; nan for a single stream.
    """

    variance: float
    low: float
    high: float
    kappa: float


def predict(
    model: RecurrentModel, full: Full, scheme: Scheme, *, streams: int, starts: int, rng: np.random.Generator
) -> Predicted:
    """Samples beginnings a evenly over the sequence, and sums over lags d with their probabilities.

    Σ_a u(a) Σ_d P(length ≥ d)·c(d)/(1 − c(d))·‖ε_{a+d} G_{a+d}‖², u the renewal probability. The last factor is
    worked out at lags 1, 2, 3, 4, 5, 6, 8, 10, … and interpolated between them in the logarithm: long lags are rare
    but weigh most, and would be missed if the lags were drawn.

    Args:
        model: at θ.
        full: of the sequence of T steps.
        scheme: compensated, with hazards below 1.
        streams: B.
        starts: how many beginnings.
        rng: chooses where.
    """
    steps = len(full.states)
    hazard = scheme.hazard(np.arange(1, steps + 1))[:-1]
    survival, factors = scheme.survival(steps), scheme.factors(steps)
    begins = renewal(scheme, steps)
    # the first segment begins at 0 for certain, the others somewhere: 0 is worked out, the rest are sampled
    later = 1 + ((np.arange(starts - 1) + rng.random(starts - 1)) / (starts - 1) * (steps - 2)).astype(int)
    places = np.concatenate([[0], later])
    shared, single = np.zeros(starts), np.zeros(starts)
    separate = [_only(full, stream) for stream in range(streams)]
    for index, start in enumerate(places):
        lags = lag_grid(steps - 1 - int(start))
        stops = [int(start + lag) for lag in lags]
        crossed = [list(crossing(model, one, int(start), stops, factors.tolist())) for one in separate]
        together = np.array([_size(sum(parts[1:], parts[0])) for parts in zip(*crossed, strict=True)])
        apart = np.array([sum(_size(part) for part in parts) for parts in zip(*crossed, strict=True)])
        every = np.arange(1, lags[-1] + 1)
        weight = begins[start] * survival[: lags[-1]] * hazard[: lags[-1]] / (1 - hazard[: lags[-1]])
        shared[index] = (weight * _between(every, lags, together)).sum()
        single[index] = (weight * _between(every, lags, apart)).sum()
    scale = steps - 2  # places from 1 to T − 2, of which the later ones are a sample
    resampled = shared[0] + scale * shared[rng.integers(1, starts, size=(1000, starts - 1))].mean(axis=1)
    total, apart_total = (float(x[0] + scale * x[1:].mean()) for x in (shared, single))
    ratio = total / apart_total if apart_total > 0 else float("nan")
    return Predicted(
        variance=total,
        low=float(np.percentile(resampled, 2.5)),
        high=float(np.percentile(resampled, 97.5)),
        kappa=float((ratio - 1) / (streams - 1)) if streams > 1 else float("nan"),
    )


def renewal(scheme: Scheme, steps: int) -> np.ndarray:
    """u(a), a = 0 … `steps` − 1: the probability that a segment begins after step a; u(0) = 1."""
    hazard = scheme.hazard(np.arange(1, steps + 1))
    ends = scheme.survival(steps)[:-1] * hazard  # P(length = 1), P(length = 2), …
    begins = np.zeros(steps)
    begins[0] = 1.0
    for a in range(1, steps):
        begins[a] = begins[:a] @ ends[:a][::-1]
    return begins


def lag_grid(longest: int) -> np.ndarray:
    """1, 2, 3, 4, 5, 6, 8, 10, 13, 16, … up to `longest`, which is always among them."""
    wanted = np.unique(np.concatenate([np.geomspace(1, longest, 2 + int(3 * np.log2(longest))).round(), [longest]]))
    return wanted.astype(int)


def _between(every: np.ndarray, lags: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Interpolates log(values) in log(lag), by monotone cubics: straight lines would cut the corners of a hump."""
    floor = max(values.max() * 1e-30, 1e-300)
    logs = np.log(np.maximum(values, floor))
    if lags.size == 1:
        return np.full(every.size, np.exp(logs[0]))
    found: np.ndarray = np.exp(PchipInterpolator(np.log(lags), logs)(np.log(every)))
    return found


def _size(vector: Tensor) -> float:
    return float(vector.square().sum())


def _only(full: Full, stream: int) -> Full:
    """The same with what arrives at all streams but one set to zero."""

    def keep(tensor: Tensor) -> Tensor:
        kept = torch.zeros_like(tensor)
        kept[stream] = tensor[stream]
        return kept

    return replace(full, arriving=[map_state(keep, state) for state in full.arriving])
