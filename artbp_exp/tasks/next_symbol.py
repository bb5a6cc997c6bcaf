"""What the tasks that predict the next symbol share: loss and marks."""

import math

import torch
from torch import Tensor

NATS_PER_BIT = math.log(2)


def cross_entropy(predictions: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy in nats, summed over steps and averaged over streams: logits (n, B, V), targets (n, B) → scalar."""
    total = torch.nn.functional.cross_entropy(predictions.flatten(0, 1), targets.flatten(), reduction="sum")
    return total / targets.shape[1]


def marks_within(steps: int, passes: int, rows: int) -> list[int]:
    """Steps of the run at which `rows` rows a pass are due, evenly spread; the end of a pass is due anyway."""
    within = [max(1, round(k / rows * steps)) for k in range(1, rows)]
    return [number * steps + mark for number in range(passes) for mark in within]
