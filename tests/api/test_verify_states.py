"""States of any kind: dataclasses, plain numbers beside tensors, dicts and counters that a step changes in place."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

import artbp_exp as artbp
from artbp_exp.errors import UserError
from tests.api.modules import data, half_squares, make
from tests.api.nets import STEPS, Net, X, check, zeros

BOUNDED = artbp.artbp(length=2.5, alpha=4, memory=300)


@dataclasses.dataclass
class Memory:
    """A state with a name for each part."""

    hidden: Tensor
    age: float = 0.0


def over(net: Net, step: Any, *, resets: bool = False) -> Any:
    """A right loop, in whose state a plain number may be reset at each cut."""

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        stop = start + segment.length
        outputs, state = artbp.unroll(step, X[start:stop], state, segment)
        if resets:
            state = dataclasses.replace(state, age=0.0)
        return (net.read(torch.stack(outputs)) - X[start + 1 : stop + 1]).square().sum(), artbp.detach(state)

    return segment_loss


@pytest.mark.parametrize("resets", [False, True])
def test_a_dataclass_with_a_plain_number(resets: bool) -> None:
    net = Net()

    def step(x: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        hidden = net.cell(x, state.hidden / (1 + 0.1 * state.age))
        return hidden, Memory(hidden, state.age + 1)

    found = check(over(net, step, resets=resets), net, state=Memory(zeros()))
    assert found.certified == (not resets), str(found)
    assert not resets or "cuts change the states" in found.reasons[0]


def test_a_plain_number_that_is_reset_is_seen_in_the_state_alone() -> None:
    """No loss within these steps reads it."""
    net = Net()

    def step(x: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        hidden = net.cell(x, state.hidden)
        return hidden, Memory(hidden, state.age + 1)

    assert check(over(net, step, resets=True), net, state=Memory(zeros())).certified  # and it does no harm to these


def changes_a_dict(net: Net) -> tuple[Any, Any]:
    def step(x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        state["h"] = net.cell(x, state["h"])
        return net.cell(x, state["h"]), state

    return step, {"h": zeros()}


def changes_a_counter(net: Net) -> tuple[Any, Any]:
    def step(x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, t = state
        t += 1
        hidden = net.cell(x / t, hidden)
        return hidden, (hidden, t)

    return step, (zeros(), torch.zeros((), dtype=torch.long))


@pytest.mark.parametrize("make", [changes_a_dict, changes_a_counter])
@pytest.mark.parametrize("scheme", [BOUNDED, artbp.artbp(length=2.5, alpha=4)], ids=["bounded", "unbounded"])
def test_a_state_that_the_step_changes_in_place_is_certified_with_checkpointing_too(
    make: Any, scheme: artbp.Scheme
) -> None:
    net = Net()
    step, state = make(net)
    found = check(over(net, step), net, scheme, state=state)
    assert found.certified, str(found)
    assert found.notes == ()
    assert STEPS > 3  # or nothing would be computed twice


@pytest.mark.parametrize("name", ["own", "LSTM", "GRU", "RNN, batch first"])
def test_a_state_that_is_not_detached_is_named_whatever_the_module(name: str) -> None:
    """The gradient of each segment then runs through the fused backward passes of those before it."""
    net = make(name)
    x, y = data(200)

    def segment_loss(start: int, segment: artbp.Segment, state: Any) -> tuple[Tensor, Any]:
        rows = slice(start, start + segment.length)
        outputs, state = net.run(x[rows], net.start(x.shape[1]) if state is None else state, segment)
        return half_squares(outputs, y[rows]), state

    cause = "the state that segment_loss returns is not detached"
    found = artbp.verify(segment_loss, net, BOUNDED, steps=STEPS)
    assert not found.certified
    assert cause in found.reasons[0]
    with pytest.raises(UserError, match=cause):
        artbp.diagnose(segment_loss, net, steps=24, lengths=[4], draws=8)
