"""An auxiliary loss: the hidden state is to tell the symbol that was read last."""

import torch
from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.methods.base import Auxiliary
from artbp_exp.recurrent import RecurrentModel


class Echo(Auxiliary):
    def __init__(self, hidden: int, vocabulary: int, weight: float, generator: torch.Generator) -> None:
        super().__init__()
        self._weight = weight
        self.tell = nn.Parameter(0.1 * torch.randn(vocabulary, hidden, generator=generator))

    def forward(self, outputs: Tensor, inputs: Tensor, targets: Tensor) -> Tensor:
        logits = nn.functional.linear(outputs, self.tell)
        total = nn.functional.cross_entropy(logits.flatten(0, 1), inputs.flatten(), reduction="sum")
        return self._weight * total / inputs.shape[1]


def build(*, weight: float = 1.0, vocabulary: int, model: RecurrentModel, generator: torch.Generator) -> Auxiliary:
    size = int(model.readout.shape[1])
    return Echo(size, vocabulary, checks.number("auxiliary.weight", weight, at_least=0), generator)
