"""Bias, variance, signal-to-noise ratio and cosine of gradients, with bootstrap intervals, from inner products."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

RESAMPLES = 1000
OUTSIDE = 2.5  # per cent, on each side of an interval
CHUNK = 2**16
"""Parameters taken at a time: all gradients in float64 at once could fill the memory."""


@dataclass(frozen=True, kw_only=True)
class Products:
    """Inner products of the errors of N gradients with each other and with the true gradient.

    Attributes:
        errors: ⟨ĝ_i − g, ĝ_j − g⟩, (N, N).
        along: ⟨ĝ_i − g, g⟩, (N,).
        size: ‖g‖².
    """

    errors: np.ndarray
    along: np.ndarray
    size: float


def products(drawn: list[Tensor], full: Tensor) -> Products:
    """Inner products of gradients ĝ_i and g, each a vector of all parameters, shape (P,); summed in float64."""
    total = torch.zeros(len(drawn) + 1, len(drawn) + 1, dtype=torch.float64, device=full.device)
    for part in zip(*(vector.split(CHUNK) for vector in (*drawn, full)), strict=True):
        stacked = torch.stack(part).double()
        stacked[:-1] -= stacked[-1]
        total += stacked @ stacked.T
    found = total.cpu().numpy()
    return Products(errors=found[:-1, :-1], along=found[:-1, -1], size=float(found[-1, -1]))


def measures(found: Products, *, rng: np.random.Generator) -> dict[str, float]:
    """Each measure with `_low` and `_high`, its 95 % percentile bootstrap interval over draws, and `variance_se`.

    bias2: ‖E ĝ − g‖² / ‖g‖², estimated from pairs of different draws, so that it can be below 0.
    variance: E‖ĝ − E ĝ‖² / ‖g‖², likewise.
    snr: ‖g‖² / E‖ĝ − E ĝ‖².
    cosine: between a single ĝ and g, averaged over draws.
    cosine_mean: between E ĝ and g, ⟨E ĝ, g⟩ / (‖E ĝ‖ ‖g‖), with ‖E ĝ‖² = ‖g‖² + 2⟨E ĝ − g, g⟩ + bias² and the bias²
        from pairs, as above: the norm of the mean of N draws would include their noise. At most 1.
    """
    count = found.along.size
    weights = rng.multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(float)
    weights = weights[(weights > 0).sum(axis=1) > 1]  # a resample of one draw only has no pair
    point = _evaluate(found, np.ones((1, count)))
    resampled = _evaluate(found, weights)
    table: dict[str, float] = {}
    for name, values in point.items():
        low, high = np.percentile(resampled[name], [OUTSIDE, 100 - OUTSIDE], method="nearest")
        table |= {name: float(values[0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return table | {"variance_se": float(resampled["variance"].std())}


def certain(found: Products) -> dict[str, float]:
    """The same for a method that draws nothing, measured once for each offset of its cuts.

    The squared bias and the cosine are means over offsets; `_low` and `_high` are the least and the greatest.
    """
    squares = np.maximum(np.diag(found.errors), 0.0)
    cosines = _cosines(found)
    table: dict[str, float] = {"variance_se": 0.0}
    for name, values in (("bias2", squares / found.size), ("cosine", cosines), ("cosine_mean", cosines)):
        table |= {name: float(values.mean()), f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}
    for end in ("", "_low", "_high"):
        table |= {f"variance{end}": 0.0, f"snr{end}": float("inf")}
    return table


def _cosines(found: Products) -> np.ndarray:
    """Between each ĝ_i and g; 0 where ĝ_i = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sizes = np.sqrt(np.maximum(np.diag(found.errors) + 2 * found.along + found.size, 0))
        return np.where(sizes > 0, (found.along + found.size) / (sizes * np.sqrt(found.size)), 0.0)


def _evaluate(found: Products, weights: np.ndarray) -> dict[str, np.ndarray]:
    """The measures for each row of weights, which say how often each draw was resampled."""
    count = weights.sum(axis=1)
    squares = np.diag(found.errors)
    everything = ((weights @ found.errors) * weights).sum(axis=1)
    # a draw that was resampled twice does not make a pair of different draws
    distinct = everything - (weights**2) @ squares
    pairs = count**2 - (weights**2).sum(axis=1)
    bias2 = distinct / pairs
    variance = (weights @ squares) * count / pairs - (weights**2) @ squares / pairs - bias2
    along = (weights @ found.along) / count + found.size
    # by Cauchy and Schwarz ‖E ĝ‖ ≥ ⟨E ĝ, g⟩/‖g‖, which an estimate may fall short of
    length = np.sqrt(np.maximum(found.size + 2 * (along - found.size) + bias2, along**2 / found.size))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_cosine = np.where(length > 0, np.clip(along / (length * np.sqrt(found.size)), -1, 1), 0.0)
        snr = np.where(variance > 0, found.size / variance, np.inf)
    return {
        "bias2": bias2 / found.size,
        "variance": np.maximum(variance, 0.0) / found.size,
        "snr": snr,
        "cosine": (weights @ _cosines(found)) / count,
        "cosine_mean": mean_cosine,
    }
