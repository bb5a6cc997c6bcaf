"""`verify` certifies a loop of the user's own that is right, and says what is wrong with one that is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError
from artbp_exp.truncation.scheme import Floats
from tests.api.modules import BATCH, WIDTH, data, half_squares, make

STEPS = 6
ARTBP = artbp.artbp(length=2.5, alpha=4)
X, Y = data(STEPS, dtype=torch.float32)
Loss = Callable[[int, artbp.Segment, Any], tuple[Tensor, Any]]


class Cell(nn.Module):
    """An LSTM cell in float32, as a user has it; the loss reads its output."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.cell = nn.LSTMCell(1, WIDTH)
        self.drop = nn.Dropout(0.5)
        self.eval()


def start() -> tuple[Tensor, Tensor]:
    return torch.full((BATCH, WIDTH), 0.3), torch.full((BATCH, WIDTH), -0.2)


def loop(net: Cell, mistake: str = "") -> Loss:
    """A loop written by hand, with one mistake, or none."""

    def segment_loss(first: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        if mistake == "resets":
            state = start()
        if mistake == "hands on one tensor of two":
            state = (state[0], torch.zeros(BATCH, WIDTH))
        outputs, late = [], 1.0
        for t in range(segment.length):
            hidden, cell = state = net.cell(X[first + t], state)
            factor = 1.0 if mistake == "forgets the factor" else segment.factor(t)
            if mistake == "one step late":
                factor, late = late, factor
            if mistake == "squares the factor":
                factor = factor**2
            if mistake == "carries one tensor of two":
                state = artbp.carry(hidden, factor), cell
            elif mistake == "detaches one tensor inside":
                state = artbp.carry(hidden, factor), artbp.carry(cell, factor).detach()
            elif mistake == "detaches every step":
                state = artbp.detach(state)
            else:
                state = artbp.carry(state, factor)
            outputs.append(net.drop(state[0] if mistake == "applies it to the loss, too" else hidden))
        loss = half_squares(torch.stack(outputs), Y[first : first + segment.length])
        if mistake == "mean over the length":
            loss = loss / segment.length
        if mistake == "constant added to each segment":
            loss = loss * (1 + 0.1 / segment.length)
        return loss, state if mistake == "forgets to detach" else artbp.detach(state)

    return segment_loss


def check(loss: Loss, net: Any, scheme: artbp.Scheme = ARTBP, *, state: Any = None, steps: int = STEPS) -> Any:
    return artbp.verify(loss, net, scheme, state=state, steps=steps)


def test_a_loop_by_hand_is_certified_with_the_table_of_it() -> None:
    net = Cell()
    found = check(loop(net), net, state=start())
    assert found.certified
    assert found.reasons == ()
    assert list(found.bias) == [name for name, _ in net.named_parameters()]
    assert max(found.bias.values()) < 1e-14
    assert (found.patterns, found.steps) == (2 ** (STEPS - 1), STEPS)
    assert found.variance > 1e-6
    lines = str(found).splitlines()
    assert len(lines) == 1 + len(found.bias) + 2
    assert lines[-1] == "verdict: certified"
    assert "32 ways to cut 6 steps, in float64" in lines[-2]
    assert not any("BIASED" in line for line in lines)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("memory", [None, 2], ids=["whole segments", "in pieces"])
@pytest.mark.parametrize("name", ["own", "by hand", "LSTM", "GRU", "RNN, batch first"])
def test_loops_over_all_kinds_of_modules_are_certified(name: str, memory: int | None, dtype: torch.dtype) -> None:
    net, (x, y) = make(name, dtype=dtype), data(STEPS, dtype=dtype)

    def segment_loss(first: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        stop = first + segment.length
        outputs, state = net(x[first:stop], state, segment)
        return half_squares(outputs, y[first:stop]), artbp.detach(state)

    scheme = artbp.artbp(length=2.5, alpha=4, memory=memory)
    found = check(segment_loss, net, scheme, state=net.start(BATCH))
    assert found.certified, str(found)
    assert max(found.bias.values()) < 1e-14
    assert found.variance > 0


def test_a_fused_module_with_cuts_blocks_apart_is_certified_on_more_steps_than_twelve() -> None:
    net = nn.LSTM(1, WIDTH)
    x, y = data(35, dtype=torch.float32)

    def segment_loss(first: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        stop = first + segment.length
        outputs, state = artbp.unroll_blocks(net, x[first:stop], state, segment)
        return half_squares(outputs, y[first:stop]), artbp.detach(state)

    found = check(segment_loss, net.parameters(), artbp.artbp(length=20, alpha=4, every=10), steps=35)
    assert found.certified, str(found)
    assert found.patterns == 8
    assert list(found.bias) == [f"parameter {k}" for k in range(4)]


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("forgets the factor", "the factors are not applied at all"),
        ("one step late", "the factors are applied one step late"),
        ("squares the factor", "is a factor squared, or applied twice?"),
        ("applies it to the loss, too", "the factor after step 1 does not act on all of the gradient"),
        ("carries one tensor of two", "the factor after step 1 does not act on all of the gradient"),
        ("mean over the length", "the loss is a mean over the segment's actual length"),
        ("constant added to each segment", "cuts change the loss"),
        ("resets", "cuts change the states"),
        ("hands on one tensor of two", "cuts change the states"),
        ("forgets to detach", "the state that segment_loss returns is not detached"),
    ],
)
def test_a_mistake_is_refuted_and_named(mistake: str, said: str) -> None:
    net = Cell()
    found = check(loop(net, mistake), net, state=start())
    assert not found.certified
    assert max(found.bias.values()) > 1e-3
    assert len(found.reasons) == 1
    assert said in found.reasons[0]
    assert f"verdict: refuted: {found.reasons[0]}" in str(found)
    assert "BIASED" in str(found)


@pytest.mark.parametrize("mistake", ["detaches one tensor inside", "detaches every step"])
def test_a_detach_inside_a_segment_is_found_by_finite_differences(mistake: str) -> None:
    """The uncut sequence has the same bias, so that no comparison of cuts can show it."""
    net = Cell()
    found = check(loop(net, mistake), net, state=start())
    assert max(found.bias.values()) < 1e-14
    assert not found.certified
    assert "is not the derivative of its loss" in found.reasons[0]
    assert "verdict: not certified: " in str(found)


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        (artbp.tbptt(length=2), "a cut that is certain cannot be compensated"),
        (artbp.artbp(length=2.5, alpha=4, reweight=False), "cuts are not compensated"),
    ],
)
def test_a_biased_scheme_is_refuted_in_a_loop_that_is_right(scheme: artbp.Scheme, said: str) -> None:
    net = Cell()
    found = check(loop(net), net, scheme, state=start())
    assert found.reasons == (said,)
    assert max(found.bias.values()) > 1e-3


def test_a_scheme_of_ones_own_is_asked_for_its_factors_and_its_draws() -> None:
    class Shifted(artbp.Scheme):
        def factors(self, count: int) -> Floats:
            return 1.0 / (1.0 - self.hazard(np.arange(count)))

    class Capped(artbp.Scheme):
        def draw(self, rng: np.random.Generator, limit: int) -> int:
            return min(3, super().draw(rng, limit))

    net = Cell()
    own = {"name": "own", "length": None, "hazard": ARTBP.hazard}
    assert not check(loop(net), net, Shifted(**own), state=start()).certified
    capped = check(loop(net), net, Capped(**own), state=start())
    assert "segments are not drawn with the hazard's probabilities" in capped.reasons[0]
    assert check(loop(net), net, artbp.Scheme(**own), state=start()).certified


def test_a_loss_that_no_state_matters_to_is_not_certified() -> None:
    net = nn.Linear(1, WIDTH)

    def segment_loss(first: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        rows = slice(first, first + segment.length)
        return half_squares(net(X[rows]), Y[rows]), state

    found = check(segment_loss, net)
    assert not found.certified
    assert "no gradient crosses" in found.reasons[0]


def test_a_parameter_without_a_gradient_of_its_own_is_not_refuted_for_its_rounding() -> None:
    """Whatever is added to all logits, softmax takes away again: the gradient is 0 up to rounding."""
    net = Cell()
    net.shift = nn.Parameter(torch.ones(1))
    net.unused = nn.Parameter(torch.ones(1))

    def step(x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        state = net.cell(x, (torch.softmax(5 * state[0] + net.shift, -1), state[1]))
        return state[0], state

    def segment_loss(first: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        rows = slice(first, first + segment.length)
        outputs, state = artbp.unroll(step, X[rows], state, segment)
        return half_squares(torch.stack(outputs), Y[rows]), artbp.detach(state)

    found = check(segment_loss, net, state=start())
    assert found.certified, str(found)
    assert found.untested == ("shift", "unused")
    lines = str(found).splitlines()
    assert lines[-1] == "verdict: certified (no gradient reaches shift, unused)"
    assert sum("no gradient: not tested" in line for line in lines) == 2


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (lambda loss, state: loss, r"must return \(loss, next state\); got Tensor"),
        (lambda loss, state: (loss.item(), state), "must be a tensor of one number; got float"),
        (lambda loss, state: (loss.expand(2), state), r"must be a tensor of one number; got shape \(2,\)"),
        (lambda loss, state: (loss.detach(), state), "has no gradient"),
        (lambda loss, state: (loss * float("inf"), state), "the loss at these parameters is inf"),
    ],
)
def test_what_segment_loss_must_return(returned: Any, said: str) -> None:
    net = Cell()
    right = loop(net)
    with pytest.raises(UserError, match=said):
        check(lambda *args: returned(*right(*args)), net, state=start())


def test_mistakes_in_the_arguments_are_told() -> None:
    net = Cell()
    with pytest.raises(UserError, match="no cut of artbp can fall within 6 steps"):
        check(loop(net), net, artbp.artbp(length=20, alpha=4, every=10), state=start())
    with pytest.raises(UserError, match=r"in more than 2048 ways, and no more are tried: .* take at most 12 steps"):
        check(loop(net), net, state=start(), steps=13)
    with pytest.raises(UserError, match=r"take at most 12 steps; got steps=1000000$"):
        check(loop(net), net, state=start(), steps=10**6)
    with pytest.raises(UserError, match="got a function: segment_loss comes first"):
        check(net, loop(net), state=start())
    with pytest.raises(UserError, match="got int"):
        check(loop(net), 3, state=start())
    with pytest.raises(UserError, match="segment_loss must be a function"):
        check(torch.ones(1), net, state=start())
    with pytest.raises(UserError, match=r"scheme must be .* got Cell$"):
        artbp.verify(loop(net), ARTBP, net)
    with pytest.raises(UserError, match="steps must be a whole number ≥ 2; got 1"):
        check(loop(net), net, state=start(), steps=1)
    with pytest.raises(UserError, match="got str"):
        check(loop(net), ["w"], state=start())
    with pytest.raises(UserError, match="no parameter requires a gradient"):
        check(loop(net), nn.Linear(1, 1).requires_grad_(False), state=start())
    with pytest.raises(UserError, match="the loss has no gradient with respect to any"):
        check(loop(net), nn.Linear(1, 1), state=start())
    with pytest.raises(UserError, match="state must be a tensor"):
        check(loop(net), net, state=object())
    with pytest.raises(UserError, match="scheme must be"):
        check(loop(net), net, 5, state=start())  # an error that is easily made: the length instead of a scheme
