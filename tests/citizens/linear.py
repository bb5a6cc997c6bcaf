"""A synthetic gradient (Jaderberg et al. 2017): a linear map of the state guesses what a cut takes away."""

from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd import leaves
from artbp_exp.methods.base import Boundary
from artbp_exp.recurrent import RecurrentModel


class Linear(Boundary):
    def __init__(self, model: RecurrentModel, scale: float) -> None:
        super().__init__()
        self._scale = scale
        sizes = [leaf.shape[1] for leaf in leaves(model.init_state(1))]
        self.maps = nn.ModuleList(nn.Linear(size, size) for size in sizes)
        for part in self.maps:
            nn.init.zeros_(part.weight)
            nn.init.zeros_(part.bias)

    def guess(self, state: Any) -> list[Tensor]:
        return [self._scale * part(leaf) for part, leaf in zip(self.maps, leaves(state), strict=True)]

    def at_cut(self, state: Any) -> list[Tensor]:
        with torch.no_grad():
            return self.guess(state)

    def learn(self, state: Any, arrived: list[Tensor]) -> None:
        pairs = zip(self.guess(state), arrived, strict=True)
        sum((guess - found).square().sum() for guess, found in pairs).backward()


def build(*, scale: float = 0.1, model: RecurrentModel) -> Boundary:
    return Linear(model, checks.number("boundary.scale", scale, above=0))
