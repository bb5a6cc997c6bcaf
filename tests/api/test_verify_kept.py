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
from tests.api.nets import ARTBP, BATCH, STEPS, WIDTH, Net, X, check, loop, zeros

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


@pytest.mark.parametrize("seed", [True, False])
def test_noise_that_is_seeded_at_each_step_is_not_random(seed: bool) -> None:
    net = Net()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        loss = torch.zeros(())
        for t in range(segment.length):
            if seed:
                torch.manual_seed(start + t)
            state = net.cell(X[start + t], state + torch.randn(WIDTH))
            loss = loss + (net.read(state) - X[start + t + 1]).square().sum()
            state = artbp.carry(state, segment.factor(t))
        return loss, artbp.detach(state)

    if seed:
        assert check(segment_loss, net).certified
    else:
        with pytest.raises(UserError, match="index it by the absolute step"):
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


TABLE_IDS = torch.arange(0, 2 * BATCH, 2)
WRITES: dict[str, Callable[[Tensor, Tensor], object]] = {
    "table[ids] = h": lambda table, h: table.__setitem__(TABLE_IDS, h),
    "index_copy_": lambda table, h: table.index_copy_(0, TABLE_IDS, h),
    "index_add_": lambda table, h: table.index_fill_(0, TABLE_IDS, 0).index_add_(0, TABLE_IDS, h),
    "scatter_": lambda table, h: table.scatter_(0, TABLE_IDS[:, None].expand(BATCH, WIDTH), h),
    "lerp_ through a view": lambda table, h: table[::2].lerp_(h, 1.0),
    "out=": lambda table, h: torch.mul(h, 1.0, out=table[::2]),
    ".data.copy_": lambda table, h: table[::2].data.copy_(h),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_state_in_a_float32_table_outside_the_module_is_exact_and_put_back(write: str) -> None:
    net, table = Net(), torch.ones(2 * BATCH, WIDTH)

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        hidden, loss = table[TABLE_IDS].clone(), torch.zeros(())
        for t in range(segment.length):
            hidden = net.cell(X[start + t], hidden)
            loss = loss + (net.read(hidden) - X[start + t + 1]).square().sum()
            hidden = artbp.carry(hidden, segment.factor(t))
        WRITES[write](table, hidden.detach())
        return loss, None

    found = artbp.verify(segment_loss, net, ARTBP, steps=STEPS)
    assert found.certified, str(found)
    assert table.dtype == torch.float32
    assert torch.equal(table, torch.ones(2 * BATCH, WIDTH))


@pytest.mark.parametrize("update", [lambda p, q: p.mul_(0.9).add_(q, alpha=0.1), lambda p, q: p.lerp_(q, 0.1)])
def test_a_frozen_teacher_that_segment_loss_updates_is_put_back(update: Callable[[Tensor, Tensor], object]) -> None:
    net = Net()
    net.teacher = nn.Linear(WIDTH, WIDTH).requires_grad_(False)
    before = [parameter.clone() for parameter in net.teacher.parameters()]

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        loss = torch.zeros(())
        for t in range(segment.length):
            state = net.cell(X[start + t], state)
            loss = loss + (net.read(state) - net.teacher(X[start + t])).square().sum()
            with torch.no_grad():
                for mean, parameter in zip(net.teacher.parameters(), net.read.parameters(), strict=True):
                    update(mean, parameter)
            state = artbp.carry(state, segment.factor(t))
        return loss, artbp.detach(state)

    found = check(segment_loss, net, derivative=False)  # the teacher follows the parameters, and is no part of g
    assert found.certified, str(found)
    for parameter, value in zip(net.teacher.parameters(), before, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.dtype == torch.float32


@pytest.mark.parametrize("kind", [torch.float32, torch.FloatTensor, "torch.FloatTensor"])
def test_legacy_casts_are_raised(kind: Any) -> None:
    net = Net()

    def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = net.cell(x, state.type(kind))
        return state, state

    assert check(loop(net, step), net).certified


@pytest.mark.parametrize("mistake", [False, True])
def test_a_state_in_a_float32_array_agrees_to_its_rounding_only(mistake: bool) -> None:
    net, kept = Net(), np.zeros((STEPS + 1, BATCH, WIDTH), dtype=np.float32)

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        hidden, loss = torch.tensor(kept[start]), torch.zeros(())
        for t in range(segment.length):
            hidden = net.cell(X[start + t], hidden)
            loss = loss + (net.read(hidden) - X[start + t + 1]).square().sum()
            kept[start + t + 1] = hidden.detach().numpy()
            hidden = hidden if mistake else artbp.carry(hidden, segment.factor(t))
        return loss, None

    found = artbp.verify(segment_loss, net, ARTBP, steps=STEPS)
    verdict = str(found).splitlines()[-1]
    said = (
        "verdict: refuted: the factors are not applied at all" if mistake else "verdict: not certified: the loop agrees"
    )
    assert verdict.startswith(said), str(found)
    assert not found.certified
    assert ("BIASED" in str(found)) == mistake
