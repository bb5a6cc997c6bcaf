"""Bias, variance, signal-to-noise and cosine of drawn gradients, with bootstrap intervals, from inner products."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

RESAMPLES = 1000
TAIL = 2.5  # per cent on each side


@dataclass(frozen=True, kw_only=True)
class Products:
    """Inner products of N drawn gradients with each other and with the true one.

    Attributes:
        offs: ⟨ĝ_i − g, ĝ_j − g⟩, (N, N).
        along: ⟨ĝ_i − g, g⟩, (N,).
        size: ‖g‖².
    """

    offs: np.ndarray
    along: np.ndarray
    size: float


def products(drawn: list[Tensor], full: Tensor) -> Products:
    """Inner products of the draws, each a vector of all parameters."""
    stacked = torch.stack(drawn) - full
    return Products(
        offs=(stacked @ stacked.T).double().numpy(),
        along=(stacked @ full).double().numpy(),
        size=float(full.double().square().sum()),
    )


def measures(found: Products, *, rng: np.random.Generator | None) -> dict[str, float]:
    """Each measure with `_low` and `_high`, its 95 % percentile bootstrap interval over draws.

    bias2: ‖E ĝ − g‖² / ‖g‖², without bias: over pairs of different draws only (it can come out below 0).
    variance: E‖ĝ − E ĝ‖² / ‖g‖², likewise.
    snr: ‖g‖² / E‖ĝ − E ĝ‖².
    cosine: between a single ĝ and g, averaged over draws.
    cosine_mean: between the mean of all draws and g.

    Args:
        found: inner products.
        rng: of the bootstrap; None where a method draws nothing, so that there is nothing to resample.
    """
    count = found.along.size
    if rng is None:
        weights = np.ones((1, count))
    else:
        weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    point = _evaluate(found, np.ones((1, count)))
    resampled = _evaluate(found, weights)
    table: dict[str, float] = {}
    for name, values in point.items():
        low, high = np.percentile(resampled[name], [TAIL, 100 - TAIL], method="nearest")
        table |= {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return table


def _evaluate(found: Products, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The measures for each row of weights over draws: how often a draw was resampled."""
    count = weights.sum(axis=1)
    squares = np.diag(found.offs)
    everything = ((weights @ found.offs) * weights).sum(axis=1)
    # a draw that was resampled twice is not a pair of different draws
    distinct = everything - (weights**2) @ squares
    pairs = count**2 - (weights**2).sum(axis=1)
    bias2 = distinct / pairs
    variance = (weights @ squares) * count / pairs - (weights**2) @ squares / pairs - bias2
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.sqrt(np.maximum(squares + 2 * found.along + found.size, 0))
        cosines = np.where(sizes > 0, (found.along + found.size) / (sizes * np.sqrt(found.size)), 0.0)
        along = (weights @ found.along) / count + found.size
        length = np.sqrt(np.maximum(everything / count**2 + 2 * (along - found.size) + found.size, 0))
        mean_cosine = np.where(length > 0, along / (length * np.sqrt(found.size)), 0.0)
        snr = np.where(variance > 0, found.size / variance, np.inf)
    return {
        "bias2": bias2 / found.size,
        "variance": np.maximum(variance, 0.0) / found.size,
        "snr": snr,
        "cosine": (weights @ cosines) / count,
        "cosine_mean": mean_cosine,
    }
