"""A small net and a right loop over it, in float32, as users have them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

import artbp_exp as artbp

STEPS, BATCH, WIDTH = 4, 4, 3
ARTBP = artbp.artbp(length=2.5, alpha=4)
X = torch.randn(STEPS + 1, BATCH, WIDTH, generator=torch.Generator().manual_seed(1))


class Net(nn.Module):
    """A GRU cell and a readout, with parts that a test may use; each is initialised as its users do."""

    def __init__(self, *parts: str) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.cell, self.read = nn.GRUCell(WIDTH, WIDTH), nn.Linear(WIDTH, WIDTH)
        if "second" in parts:
            self.second, self.gate = nn.GRUCell(WIDTH, WIDTH), nn.Parameter(torch.zeros(()))
        if "start" in parts:
            self.start = nn.Parameter(torch.zeros(WIDTH))


def zeros() -> Tensor:
    return torch.zeros(BATCH, WIDTH)


def loop(net: Net, step: Callable[[Tensor, Any], tuple[Tensor, Any]] | None = None) -> Any:
    """A loop that is right, over a step of one's own."""

    def plain(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        return (state := net.cell(x, state)), state

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        stop = start + segment.length
        outputs, state = artbp.unroll(step or plain, X[start:stop], state, segment)
        return (net.read(torch.stack(outputs)) - X[start + 1 : stop + 1]).square().sum(), artbp.detach(state)

    return segment_loss


def check(loss: Any, net: Any, scheme: artbp.Scheme = ARTBP, *, state: Any = None, **rest: Any) -> Any:
    return artbp.verify(loss, net, scheme, state=zeros() if state is None else state, steps=STEPS, **rest)
