"""The systematic part of truncated BPTT's bias: what is the same on other data, and so does not average out.

In one window of data truncation errs by what it cuts off there. Some of that is the same in every window and adds up
from update to update; the rest changes with the data and averages out like a variance. Each stream reads another place
of the data, so with b_i the error on stream i the systematic part is ‖E b‖² ≈ mean over pairs i ≠ j of ⟨b_i, b_j⟩.
"""

import numpy as np
import torch
from torch import Tensor

from artbp_exp.diagnosis.bootstrap import measures, products
from artbp_exp.diagnosis.measure import at_offsets, vector
from artbp_exp.training.gradient import Loop
from artbp_exp.truncation import tbptt

OFFSETS = 2
"""Offsets of the cuts in each place of the data; the next place has others."""


def truncation_error(loop: Loop, length: int, index: int, truth: Tensor) -> Tensor:
    """The mean error of truncated BPTT over `OFFSETS` offsets of its cuts, shape (P,).

    Args:
        loop: of one place of the data.
        length: L of truncated BPTT.
        index: of the place, which chooses the offsets.
        truth: the gradient there, shape (P,).
    """
    passes = at_offsets(tbptt.build(length=length), loop.steps)
    chosen = [passes[(OFFSETS * index + k) % len(passes)] for k in range(min(OFFSETS, len(passes)))]
    return torch.stack([vector(loop, outcome) for outcome in chosen]).mean(dim=0) - truth


def common_bias(errors: list[Tensor], truth: Tensor, *, rng: np.random.Generator) -> dict[str, float]:
    """`bias2`, `bias2_low` and `bias2_high`: ‖E b‖² from errors b in different places, with its bootstrap interval.

    Args:
        errors: b_i, shape (P,) each.
        truth: the mean gradient there, which sets the scale.
        rng: of the bootstrap.
    """
    measured = products([truth + error for error in errors], truth)
    table = measures(measured, rng=rng)
    return {f"bias2{end}": table[f"bias2{end}"] * measured.size for end in ("", "_low", "_high")}
