"""Losses that tasks share: summed over steps, averaged over streams, nothing where a step has no target."""

import math

import torch
from torch import Tensor

NATS_PER_BIT = math.log(2)

MISSING = -100
"""In the place of a target symbol where a step has no loss: what `torch.nn.functional.cross_entropy` ignores."""


def has_target(targets: Tensor) -> Tensor:
    """Where a step has a loss: targets (n, B) → bool (n, B); see `Task.window`."""
    return ~targets.isnan() if targets.is_floating_point() else targets != MISSING


def cross_entropy(predictions: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats, summed over steps and averaged over streams: logits (n, B, V), targets (n, B) → scalar."""
    flat = predictions.flatten(0, 1), targets.flatten()
    return torch.nn.functional.cross_entropy(*flat, reduction="sum", ignore_index=MISSING) / targets.shape[1]


def squared_error(predictions: Tensor, targets: Tensor) -> Tensor:
    """Squared error, summed over steps and averaged over streams: predictions (n, B, 1), targets (n, B) → scalar."""
    off = torch.where(has_target(targets), predictions[..., 0] - targets, 0.0)
    return off.square().sum() / targets.shape[1]
