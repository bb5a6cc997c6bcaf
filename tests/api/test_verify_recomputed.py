"""`verify` always tries gradient checkpointing, too, and says in a line what it does to the loop."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from tests.api.nets import ARTBP, WIDTH, Net, X, check, loop

KEEPS_ALL = artbp.artbp(length=2.5, alpha=4, memory=None)
BOUNDED = artbp.artbp(length=2.5, alpha=4, memory=300)
Loss = Callable[[int, artbp.Segment, Any], tuple[Tensor, Any]]


def counts(net: Net) -> Loss:
    """A counter in the closure of the step, which a second run of the step advances once more."""

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        t = start

        def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal t
            t += 1
            state = net.cell(x / t, state)
            return state, state

        return loop(net, step)(start, segment, state)  # type: ignore[no-any-return]

    return segment_loss


def swaps_parameters(net: Net) -> Loss:
    """`functional_call` around the segment: outside of it, in the backward pass, the parameters are others."""
    inner = loop(net)

    class Body(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, *args: Any) -> Any:
            return inner(*args)

    body = Body()

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        halved = {f"net.{name}": 0.5 * parameter for name, parameter in net.named_parameters()}
        return torch.func.functional_call(body, halved, (start, segment, state))  # type: ignore[no-any-return]

    return segment_loss


class Mean(Net):
    """Has a running mean in a buffer, which the step updates and reads."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(WIDTH))

    def segment_loss(self, start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            with torch.no_grad():
                self.mean.mul_(0.9).add_(x.mean(0), alpha=0.1)
            state = self.cell(x - self.mean, state)
            return state, state

        return loop(self, step)(start, segment, state)  # type: ignore[no-any-return]


def fails_the_second_time(net: Net) -> Loss:
    """A list of inputs that each step takes one from."""

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        left = list(X[start : start + segment.length])

        def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            state = net.cell(left.pop(0), state)
            return state, state

        return loop(net, step)(start, segment, state)  # type: ignore[no-any-return]

    return segment_loss


@pytest.mark.parametrize("make", [counts, fails_the_second_time])
def test_a_loop_that_checkpointing_would_change_is_certified_without_it_and_refused_with_it(
    make: Callable[[Net], Loss],
) -> None:
    net = Net()
    found = check(make(net), net, KEEPS_ALL)
    assert found.certified, str(found)
    (note,) = found.notes
    assert note.startswith("gradient checkpointing (a scheme with memory=…) ")
    assert ("fails (IndexError: pop from empty list)" in note) == (make is fails_the_second_time)
    assert str(found).splitlines()[-2:] == [f"note: {note}", "verdict: certified"]
    assert "\n" not in note
    bounded = check(make(net), net, BOUNDED)
    assert not bounded.certified
    assert bounded.reasons == (note,)
    assert bounded.notes == ()


@pytest.mark.parametrize("make", [swaps_parameters, lambda net: net.segment_loss], ids=["functional_call", "buffer"])
def test_what_checkpointing_does_is_said_wherever_it_is_not_exact(make: Callable[[Net], Loss]) -> None:
    """The library may make these exact, or may not: `verify` says what it does."""
    net = Mean()
    found = check(make(net), net, KEEPS_ALL)
    assert found.certified, str(found)
    assert check(make(net), net, BOUNDED).certified == (not found.notes)


@pytest.mark.parametrize("scheme", [ARTBP, BOUNDED, KEEPS_ALL])
def test_nothing_is_said_of_a_loop_that_runs_twice_alike(scheme: artbp.Scheme) -> None:
    net = Net()
    found = check(loop(net), net, scheme)
    assert found.certified
    assert found.notes == ()


@pytest.mark.parametrize("scheme", [KEEPS_ALL, BOUNDED], ids=["keeps all", "bounded memory"])
def test_a_step_that_casts_is_certified(scheme: artbp.Scheme) -> None:
    """`(~done).float()` in a step: verify computes in float64 in the second pass, too, where torch turns modes off."""
    net = Net()
    done = torch.zeros(WIDTH, dtype=torch.bool)

    def step(x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        state = net.cell(x, state * (~done).float())
        return state, state

    found = check(loop(net, step), net, scheme)
    assert found.certified, str(found)
