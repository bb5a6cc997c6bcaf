"""`verify` judges what users write rightly: complex numbers, closed gates, dropout, tensors kept in a module."""

import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError

STEPS, BATCH, WIDTH = 4, 4, 3
ARTBP = artbp.artbp(length=2.5, alpha=4)
X = torch.randn(STEPS + 1, BATCH, WIDTH, generator=torch.Generator().manual_seed(1))
LEGACY: Any = np.random


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


def check(loss: Any, net: Any, scheme: artbp.Scheme = ARTBP, *, state: Any = None) -> Any:
    return artbp.verify(loss, net, scheme, state=zeros() if state is None else state, steps=STEPS)


class Linear(nn.Module):
    """A diagonal linear recurrence, complex as such layers are."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.decay = nn.Parameter(torch.polar(torch.rand(WIDTH) * 0.5 + 0.4, torch.rand(WIDTH) * 3))
        self.write, self.read = nn.Linear(WIDTH, WIDTH), nn.Linear(2 * WIDTH, WIDTH)
        self.register_buffer("turn", torch.full((WIDTH,), 1j))


@pytest.mark.parametrize("mistake", ["", "imaginary part not carried", "imaginary part detached"])
def test_complex_parameters_stay_complex(mistake: str) -> None:
    net = Linear()
    before = net.decay.detach().clone()
    seen = set()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        loss = torch.zeros(())
        for t in range(segment.length):
            state = state * net.decay + net.write(X[start + t]) * net.turn
            seen.update({state.dtype, net.decay.dtype, net.turn.dtype, net.decay.detach().cfloat().dtype})
            loss = loss + (net.read(torch.cat([state.real, state.imag], -1)) - X[start + t + 1]).square().sum()
            if mistake == "imaginary part not carried":
                state = torch.complex(artbp.carry(state.real, segment.factor(t)), state.imag)
            elif mistake == "imaginary part detached":
                state = artbp.carry(torch.complex(state.real, state.imag.detach()), segment.factor(t))
            else:
                state = artbp.carry(state, segment.factor(t))
        return loss, artbp.detach(state)

    found = check(segment_loss, net, state=torch.zeros(BATCH, WIDTH, dtype=torch.complex64))
    assert found.certified == (mistake == ""), str(found)
    assert (found.bias["decay"] > 1e-3) == (mistake == "imaginary part not carried")
    assert seen == {torch.complex128}
    assert net.decay.dtype == net.turn.dtype == torch.complex64
    assert torch.equal(net.decay.detach(), before)


def test_a_state_of_truth_values_and_counters_is_compared() -> None:
    net = Net()

    def segment_loss(start: int, segment: artbp.Segment, state: Any, *, resets: bool = False) -> tuple[Tensor, Any]:
        hidden, done, count = state
        loss = torch.zeros(())
        for t in range(segment.length):
            hidden = net.cell(X[start + t], hidden * (~done)[:, None]) / (1 + 0.1 * count)
            loss = loss + (net.read(hidden) - X[start + t + 1]).square().sum()
            done, count = X[start + t, :, 0] > 0, count + 1
            hidden, done, count = artbp.carry((hidden, done, count), segment.factor(t))
        return loss, artbp.detach((hidden, done, 0 * count if resets else count))

    state = (zeros(), torch.zeros(BATCH, dtype=torch.bool), torch.tensor(0))
    assert check(segment_loss, net, state=state).certified
    found = check(lambda *args: segment_loss(*args, resets=True), net, state=state)
    assert "cuts change the states" in found.reasons[0]


def test_a_factor_forgotten_behind_a_gate_that_begins_closed_is_seen() -> None:
    net = Net("second")
    before = [parameter.detach().clone() for parameter in net.parameters()]

    def forgets(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        first, second = state
        loss = torch.zeros(())
        for t in range(segment.length):
            first = net.cell(X[start + t], first)
            second = net.second(first, second)
            loss = loss + (net.read(first + net.gate * second) - X[start + t + 1]).square().sum()
            first = artbp.carry(first, segment.factor(t))
        return loss, artbp.detach((first, second))

    found = check(forgets, net, state=(zeros(), zeros()))
    assert not found.certified
    assert found.bias["second.weight_hh"] > 1e-3
    assert found.untested == ()
    for parameter, value in zip(net.parameters(), before, strict=True):
        assert torch.equal(parameter, value)


def test_parameters_stay_where_they_are_where_no_others_are_allowed() -> None:
    net = Net()

    def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        assert net.read.bias.abs().max() < 1
        state = net.cell(x, state) * (1 - net.read.bias.square()).sqrt()
        return state, state

    with torch.no_grad():
        net.read.bias.fill_(0.999)
    assert check(loop(net, step), net).certified


def test_a_learned_initial_state_is_tested_inside_the_function() -> None:
    net = Net("start")
    right = loop(net)

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        return right(start, segment, net.start.expand(BATCH, -1) if start == 0 else state)

    found = check(segment_loss, net)
    assert found.certified
    assert found.untested == ()


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


def test_the_row_of_an_embedding_that_pads_is_left_out() -> None:
    net = Net()
    net.table = nn.Embedding(4, WIDTH, padding_idx=0)

    def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = net.cell(net.table((x[:, 0] > 0).long()), state)
        return state, state

    assert check(loop(net, step), net).certified
    unknown = check(loop(net, step), net.named_parameters())
    assert "nn.Embedding's padding_idx" in unknown.reasons[0]


def test_a_gradient_hook_is_named_among_the_causes() -> None:
    net = Net()
    net.read.weight.register_hook(lambda gradient: gradient.clamp(-0.01, 0.01))
    assert "a hook" in check(loop(net), net).reasons[0]


def test_segments_of_a_scheme_of_ones_own_are_those_that_are_tested() -> None:
    class Capped(artbp.Scheme):
        def segments(self, steps: int, rng: np.random.Generator) -> Iterator[tuple[int, artbp.Segment]]:
            for start, segment in super().segments(steps, rng):
                for first in range(0, segment.length, 2):
                    yield start + first, self.segment(min(2, segment.length - first))

    class Overlapping(artbp.Scheme):
        def segments(self, steps: int, rng: np.random.Generator) -> Iterator[tuple[int, artbp.Segment]]:
            return ((start, self.segment(steps)) for start, _ in super().segments(steps, rng))

    class Otherwise(artbp.Scheme):
        def draw(self, rng: np.random.Generator, limit: int) -> int:
            return min(limit, int(rng.integers(1, 3)))

    net = Net()
    own: dict[str, Any] = {"name": "own", "length": None, "hazard": ARTBP.hazard}
    found = check(loop(net), net, Capped(**own))
    assert "scheme.segments gives segments of" in found.reasons[0]
    assert max(found.bias.values()) > 1e-3
    assert "as (start, length) of 4 steps" in check(loop(net), net, Overlapping(**own)).reasons[0]
    with pytest.raises(UserError, match=r"one rng\.random\(\); this one asks for rng\.integers"):
        check(loop(net), net, Otherwise(**own))


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_gradients_are_computed_where_they_are_switched_off(switched_off: Callable[[], Any]) -> None:
    net = Net()
    with switched_off():
        assert check(loop(net), dict(net.named_parameters()), state=X[0]).certified


def test_backward_inside_the_function_is_told() -> None:
    net = Net()
    right = loop(net)

    def segment_loss(*args: Any) -> Any:
        loss, state = right(*args)
        loss.backward()
        return loss, state

    def tidies(*args: Any) -> Any:
        found = segment_loss(*args)
        net.zero_grad()
        return found

    for function in (segment_loss, tidies):
        with pytest.raises(UserError, match="segment_loss calls backward"):
            check(function, net)
