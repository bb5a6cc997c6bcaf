"""`verify` judges what users write rightly: complex numbers, closed gates, padding, hooks, schemes of their own."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError
from tests.api.nets import ARTBP, BATCH, WIDTH, Net, X, check, loop, zeros


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
    assert "must give 3 steps, and gives 2" in found.reasons[0]
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
        with pytest.raises(UserError, match=r"segment_loss calls backward.*torch\.autograd\.grad"):
            check(function, net)


@pytest.mark.parametrize("how", ["optimizer at each step", "after the segment", "by data"])
def test_updates_inside_the_function_are_told(how: str) -> None:
    net = Net()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        total = torch.zeros(())
        for t in range(segment.length):
            state = net.cell(X[start + t], state)
            loss = (net.read(state) - X[start + t + 1]).square().sum()
            if how == "optimizer at each step":
                loss.backward(retain_graph=True)
                optimizer.step()
            state, total = artbp.carry(state, segment.factor(t)), total + loss
        gradients = torch.autograd.grad(total, list(net.parameters()), retain_graph=True)
        for parameter, g in zip(net.parameters(), gradients, strict=True):
            if how == "after the segment":
                with torch.no_grad():
                    parameter -= 0.1 * g
            if how == "by data":
                parameter.data.sub_(0.1 * g)
        return total, artbp.detach(state)

    with pytest.raises(UserError, match="segment_loss changes the parameters"):
        check(segment_loss, net)


def test_a_step_that_puts_its_state_in_an_object_is_told_what_to_do() -> None:
    class Cache:
        pass

    net = Net()
    with pytest.raises(UserError, match="got Cache: hand its tensors on in one of these"):
        check(loop(net, lambda x, state: (net.cell(x), Cache())), net)


@pytest.mark.parametrize("frozen", ["weight_hh_l0", "weight_ih_l0", "bias_hh_l0"])
@pytest.mark.parametrize("module", [nn.LSTM, nn.GRU])
def test_a_module_of_torch_may_be_frozen_in_part(module: Any, frozen: str) -> None:
    network, x = module(3, 4), torch.randn(6, 2, 3)
    network.get_parameter(frozen).requires_grad_(False)

    def segment_loss(start: int, segment: Any, state: Any) -> Any:
        outputs, state = artbp.unroll_blocks(network, x[start : start + segment.length], state, segment)
        return outputs.square().sum(), artbp.detach(state)

    found = artbp.verify(segment_loss, network, artbp.artbp(length=3, alpha=4), steps=6)
    assert found.certified
    assert network.get_parameter(frozen).dtype == torch.float32


def test_hooks_after_the_gradient_are_said_to_be_unchecked() -> None:
    """One may clip each segment's gradient, which biases it, or make the update: neither is part of the loss."""
    network, x = nn.GRU(3, 4), torch.randn(6, 2, 3)
    network.weight_hh_l0.register_post_accumulate_grad_hook(lambda p: p.grad.clamp_(-0.01, 0.01))

    def segment_loss(start: int, segment: Any, state: Any) -> Any:
        outputs, state = artbp.unroll_blocks(network, x[start : start + segment.length], state, segment)
        return outputs.square().sum(), artbp.detach(state)

    found = artbp.verify(segment_loss, network, artbp.artbp(length=3, alpha=4), steps=6)
    assert "register_post_accumulate_grad_hook" in str(found)
