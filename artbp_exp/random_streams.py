"""Separate random streams for weights, data and cuts, all from one seed."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, kw_only=True)
class RandomStreams:
    """Three independent streams: two methods with one seed see the same weights and the same data.

    Attributes:
        weights: initial parameters.
        data: whatever a task draws.
        cuts: where segments end.
    """

    weights: torch.Generator
    data: np.random.Generator
    cuts: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> "RandomStreams":
        """The three streams of `seed` (≥ 0)."""
        weights, data, cuts = np.random.SeedSequence(seed).spawn(3)
        return cls(
            weights=torch.Generator().manual_seed(int(weights.generate_state(1, np.uint64)[0]) >> 1),
            data=np.random.default_rng(data),
            cuts=np.random.default_rng(cuts),
        )
