"""Separate random streams for weights, data, cuts and anchors, all from one seed."""

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, kw_only=True)
class RandomStreams:
    """Independent streams: two methods with one seed see the same weights and the same data.

    Attributes:
        weights: initial parameters.
        data: whatever a task draws.
        cuts: where segments end.
        anchors: where an auxiliary loss is computed.
    """

    weights: torch.Generator
    data: np.random.Generator
    cuts: np.random.Generator
    anchors: np.random.Generator

    @classmethod
    def from_seed(cls, seed: int) -> "RandomStreams":
        """The streams of `seed` (≥ 0)."""
        weights, data, cuts, anchors = np.random.SeedSequence(seed).spawn(4)
        return cls(
            weights=torch.Generator().manual_seed(int(weights.generate_state(1, np.uint64)[0]) >> 1),
            data=np.random.default_rng(data),
            cuts=np.random.default_rng(cuts),
            anchors=np.random.default_rng(anchors),
        )
