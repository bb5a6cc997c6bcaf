"""The systematic part of truncated BPTT's bias: what is the same on other data, and so does not average out.

In one window of data truncation errs by what it cuts off there. Some of that is the same in every window and adds up
from update to update; the rest changes with the data and averages out like a variance. With b_i the error in place i of
the data the systematic part is ‖E b‖² ≈ mean over pairs i ≠ j of ⟨b_i, b_j⟩. Training follows what the gradients g_i
have in common, ‖E g‖² likewise, which near an optimum is a small part of any ‖g_i‖²: the bias counts against that.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from artbp_exp.diagnosis.bootstrap import measures, products
from artbp_exp.diagnosis.measure import ENDS, at_offsets, vector
from artbp_exp.training.gradient import Loop
from artbp_exp.truncation import tbptt

OFFSETS = 2
"""Offsets of the cuts in each place of the data; the next place has others."""
LEAST_PLACES = 2
"""That make a pair."""

Place = tuple[Loop, Tensor]
"""A loop over one place of the data, and the true gradient there, shape (P,)."""


@dataclass(frozen=True, kw_only=True)
class Systematic:
    """What is the same in all places.

    Attributes:
        bias2: truncation length L → `bias2` = ‖E b‖² with its 95 % bootstrap interval over places.
        common: ‖E g‖², of the true gradients; nan for a single place.
        places: how many were measured.
    """

    bias2: Mapping[int, Mapping[str, float]] = field(default_factory=dict)
    common: float = math.nan
    places: int = 1


def systematic_bias(
    places: Iterable[Place],
    lengths: Iterable[int],
    *,
    rng: np.random.Generator,
    enough: Callable[[], bool] = lambda: False,
) -> Systematic:
    """Needs two places or more; from the second on, `enough` is asked after each whether to stop."""
    errors: dict[int, list[Tensor]] = {length: [] for length in lengths}
    truths: list[Tensor] = []
    for loop, truth in places:
        for length, found in errors.items():
            found.append(truncation_error(loop, length, len(truths), truth))
        truths.append(truth)
        if len(truths) >= LEAST_PLACES and enough():
            break
    bias2 = {length: in_common(found, rng=rng) for length, found in errors.items()}
    return Systematic(bias2=bias2, common=in_common(truths, rng=rng)["bias2"], places=len(truths))


def truncation_error(loop: Loop, length: int, index: int, truth: Tensor) -> Tensor:
    """The mean error of truncated BPTT over `OFFSETS` offsets of its cuts, shape (P,), in the place of this index."""
    passes = at_offsets(tbptt.build(length=length), loop.steps)
    chosen = [passes[(OFFSETS * index + k) % len(passes)] for k in range(min(OFFSETS, len(passes)))]
    # subtracted first: a mean of gradients would be rounded at their size, not at that of their errors
    return torch.stack([vector(loop, outcome) - truth for outcome in chosen]).mean(dim=0)


def in_common(vectors: list[Tensor], *, rng: np.random.Generator) -> dict[str, float]:
    """`bias2`, `bias2_low` and `bias2_high`: ‖E v‖² from vectors v of different places, with its bootstrap interval."""
    found = products(vectors, torch.zeros_like(vectors[0]))
    table = measures(replace(found, size=1.0), rng=rng)  # in the vectors' unit, squared
    return {f"bias2{end}": table[f"bias2{end}"] for end in ENDS}


def with_systematic_bias(table: pd.DataFrame, systematic: Systematic, squared_norm: float) -> pd.DataFrame:
    """Adds `bias2_lasting` of truncated BPTT, relative to ‖g‖²; measured in a single place it is the whole `bias2`."""
    rows = table["method"] == "tbptt"
    for end in ENDS:
        values = {length: one[f"bias2{end}"] / squared_norm for length, one in systematic.bias2.items()}
        found = table["length"].map(values) if systematic.bias2 else table[f"bias2{end}"]
        table = table.assign(**{f"bias2_lasting{end}": found.where(rows)})
    return table
