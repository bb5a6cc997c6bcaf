"""Losses that are not there at every step, and gradients that are not meant to be derivatives."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError
from tests.api.nets import STEPS, WIDTH, Net, X, check, zeros


@pytest.mark.parametrize("absent", [torch.zeros(()), 0, 0.0], ids=["a tensor", "an integer", "a number"])
@pytest.mark.parametrize("mistake", ["", "forgets the factor"])
def test_a_loss_at_the_last_step_only(absent: Any, mistake: str) -> None:
    net = Net()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Any, Any]:
        for t in range(segment.length):
            state = net.cell(X[start + t], state)
            last = state
            state = state if mistake else artbp.carry(state, segment.factor(t))
        ends = start + segment.length == STEPS
        return (net.read(last).square().sum() if ends else absent), artbp.detach(state)

    found = check(segment_loss, net)
    assert found.certified == (not mistake), str(found)
    assert found.variance > 0
    assert ("the factors are not applied at all" in str(found)) == bool(mistake)


def test_a_loss_that_is_detached_in_some_segments_is_refuted() -> None:
    net = Net()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        outputs, state = artbp.unroll(
            lambda x, s: (net.cell(x, s),) * 2, X[start : start + segment.length], state, segment
        )
        loss = net.read(torch.stack(outputs)).square().sum()
        return loss if segment.length > 1 else loss.detach(), artbp.detach(state)

    assert max(check(segment_loss, net).bias.values()) > 1e-3


def test_the_whole_sequence_must_have_a_loss() -> None:
    net = Net()
    for nothing in (torch.zeros(()), 0.0):
        with pytest.raises(UserError, match=r"(has no gradient|got float).*take more steps="):
            check(lambda start, segment, state, loss=nothing: (loss, state), net)


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("last step only", "the loss of a segment is that of its last step"),
        ("weight decay", "multiply a penalty or a mean, which does not grow with the segment, by segment.length / L0"),
        ("weight decay by length", ""),
        ("kept in a closure", "something that is kept outside of the state"),
        ("a norm of the state once a call", "does something once a call, and not at every step"),
        ("frozen", "the parameters that make the state are frozen or were not handed in"),
    ],
)
def test_a_mistake_of_loops_as_they_stand_is_named(mistake: str, said: str) -> None:
    net, kept = Net(), [zeros()]
    gru = nn.GRU(WIDTH, WIDTH)
    if mistake == "a norm of the state once a call":
        gru.register_forward_hook(lambda module, inputs, outputs: (outputs[0], 0.9 * outputs[1]))
    if mistake == "frozen":
        gru.requires_grad_(False)

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        stop = start + segment.length
        if mistake == "kept in a closure":
            state = kept[0] if start else zeros()
            outputs, kept[0] = artbp.unroll(lambda x, s: (net.cell(x, s),) * 2, X[start:stop], state, segment)
            return (net.read(torch.stack(outputs)) - X[start + 1 : stop + 1]).square().sum(), None
        outputs, state = artbp.unroll_blocks(gru, X[start:stop], state[None] if state.ndim == 2 else state, segment)
        losses = (net.read(outputs) - X[start + 1 : stop + 1]).square().sum((1, 2))
        loss = losses[-1] if mistake == "last step only" else losses.sum()
        if "weight decay" in mistake:
            decay = 0.1 * net.read.weight.square().sum()
            loss = loss + (decay * segment.length / 3 if "length" in mistake else decay)
        return loss, artbp.detach(state)

    net.gru = gru
    found = check(segment_loss, net)
    assert found.certified == (not said), str(found)
    assert said in str(found)


class Spike(torch.autograd.Function):
    """A step function, whose surrogate gradient is that of a sigmoid."""

    @staticmethod
    def forward(ctx: Any, v: Tensor) -> Tensor:
        ctx.save_for_backward(v)
        return (v > 0).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        return gradients[0] * torch.sigmoid(v) * torch.sigmoid(-v)


@pytest.mark.parametrize("mistake", ["", "forgets the factor"])
def test_spiking_neurons_are_certified_where_the_derivative_is_left_out(mistake: str) -> None:
    net = Net()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        loss = torch.zeros(())
        for t in range(segment.length):
            state = 0.9 * state + net.cell(X[start + t], Spike.apply(state - 0.1))
            loss = loss + (net.read(Spike.apply(state)) - X[start + t + 1]).square().sum()
            state = state if mistake else artbp.carry(state, segment.factor(t))
        return loss, artbp.detach(state)

    refuted = check(segment_loss, net)
    assert not refuted.certified
    assert "surrogate gradients" in refuted.reasons[0]
    assert "derivative=False leaves this check out" in refuted.reasons[0]
    found = check(segment_loss, net, derivative=False)
    assert found.certified == (not mistake), str(found)
    assert "not checked: whether the gradient of the uncut sequence is the derivative of its loss" in str(found)
    assert ("the factors are not applied at all" in str(found)) == bool(mistake)
    if not mistake:
        assert str(found).splitlines()[-1].startswith("verdict: certified (not checked: whether the gradient")


def test_derivative_is_a_flag() -> None:
    with pytest.raises(UserError, match="derivative must be"):
        check(lambda *args: None, Net(), derivative="no")
