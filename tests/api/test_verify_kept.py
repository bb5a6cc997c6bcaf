"""`verify` notices what is drawn, and puts back what a module keeps, so that ways to cut can be compared."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError
from tests.api.nets import ARTBP, STEPS, WIDTH, Net, X, check, loop, zeros

LEGACY: Any = np.random


@pytest.mark.parametrize(
    ("draw", "whose"), [(torch.rand, "torch"), (LEGACY.random, "NumPy"), (lambda _: random.random(), "Python")]
)
def test_randomness_is_told_however_rare_its_effect(draw: Callable[[Any], Any], whose: str) -> None:
    net = Net()
    right = loop(net)

    def segment_loss(*args: Any) -> Any:
        draw(1)  # whatever it decides, it decided nothing here
        return right(*args)

    with pytest.raises(
        UserError, match=f"is random .*stream of {whose}\\), .* eval mode while you verify, and nothing"
    ):
        check(segment_loss, net)


def test_a_generator_of_ones_own_is_told() -> None:
    net, generator = Net(), torch.Generator().manual_seed(0)

    def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = net.cell(x, state + torch.rand(WIDTH, generator=generator))
        return state, state

    with pytest.raises(UserError, match=r"the same cuts twice gave gradients .* a generator of its own"):
        check(loop(net, step), net)


def test_eval_mode_certifies_no_batch_norm_that_trains_on_batches() -> None:
    net = Net()
    net.norm, net.drop = nn.BatchNorm1d(WIDTH), nn.Dropout(0.5)

    def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = net.norm(net.cell(x, state))
        return net.drop(state), state

    net.eval()
    found = check(loop(net, step), net)
    assert found.reasons[0].startswith("the model is in eval mode, while in training norm (BatchNorm1d)")
    net.train()
    net.drop.eval()
    assert check(loop(net, step), net).certified  # the statistics of one step, whatever the cuts


class Keeping(Net):
    """Keeps a running mean in a buffer, and its state in an attribute."""

    def __init__(self, *, resets: bool = False) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WIDTH))
        self.resets, self.hidden, self.seen = resets, None, [torch.zeros(1)]

    def segment_loss(self, start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        hidden: Any = zeros() if self.hidden is None or self.resets else self.hidden
        loss = torch.zeros(())
        for t in range(segment.length):
            with torch.no_grad():
                self.mean.mul_(0.9).add_(X[start + t].mean(0), alpha=0.1)
            hidden = self.cell(X[start + t] - self.mean, hidden)
            loss = loss + (self.read(hidden) - X[start + t + 1]).square().sum()
            hidden = artbp.carry(hidden, segment.factor(t))
        self.hidden = hidden.detach()
        self.seen.append(self.hidden)
        return loss, None


@pytest.mark.parametrize("resets", [False, True])
def test_tensors_that_a_module_keeps_are_put_back_before_each_way_to_cut(resets: bool) -> None:
    net = Keeping(resets=resets)
    mean = net.mean
    found = artbp.verify(net.segment_loss, net, ARTBP, steps=STEPS)
    assert found.certified == (not resets), str(found)
    assert net.mean is mean
    assert net.mean.dtype == torch.float32
    assert net.mean.abs().max() == 0
    assert net.hidden is None
    assert [tensor.dtype for tensor in net.seen] == [torch.float32]
