"""Long segments in pieces: the same gradient, and no more kept than the memory allows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

import artbp_exp as artbp
from artbp_exp.autograd.checkpointing import windows

STEPS, STREAMS, HIDDEN = 23, 2, 4
FACTORS = np.random.default_rng(0).uniform(1.0, 1.5, STEPS - 1)
MEMORIES = [1, 2, 5, 22]

Loop = Callable[[artbp.Segment], Tensor]


def segment(memory: int | None, *, factors: Any = FACTORS) -> artbp.Segment:
    return artbp.Segment(length=len(factors) + 1, factors=factors, memory=memory)


class Deep(nn.Module):
    """A step with a nested state, dropout and a part that takes no gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.LSTMCell(3, HIDDEN), nn.GRUCell(HIDDEN, HIDDEN)
        self.drop = nn.Dropout(0.3)

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        below = self.first(x, state["below"])
        above = self.second(self.drop(below[0]), state["above"])
        return above, {"below": below, "above": above, "clock": state["clock"] + 1}


def stepwise(memory: int | None) -> tuple[Tensor, list[Tensor], list[int]]:
    """Loss, gradients of parameters, inputs and start, and the steps' clock as `step` saw it."""
    torch.manual_seed(0)
    model = Deep().double()
    inputs = torch.randn(STEPS, STREAMS, 3, dtype=torch.float64, requires_grad=True)
    zeros = torch.zeros(STREAMS, HIDDEN, dtype=torch.float64, requires_grad=True)
    seen: list[int] = []

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        seen.append(int(state["clock"]))
        return model.step(x, state)

    start = {"below": (zeros, zeros), "above": zeros, "clock": torch.tensor(0)}
    outputs, last = artbp.unroll(step, inputs, start, segment(memory))
    loss = torch.stack(outputs).square().sum() + last["above"].sum()
    return loss.detach(), list(torch.autograd.grad(loss, [*model.parameters(), inputs, zeros])), seen


@pytest.mark.parametrize("memory", MEMORIES)
def test_a_step_function_in_pieces_gives_the_same_loss_and_gradient(memory: int) -> None:
    (loss, gradients, seen), (whole, wanted, _) = stepwise(memory), stepwise(None)
    assert torch.equal(loss, whole)
    for found, right in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(found, right, rtol=1e-13, atol=1e-15)
    assert seen[:STEPS] == list(range(STEPS))
    assert sorted(seen[STEPS:]) == list(range(STEPS - memory)), "all but the last piece are computed twice"


@pytest.mark.parametrize("memory", [None, STEPS, 300])
def test_nothing_is_computed_twice_that_fits(memory: int | None) -> None:
    assert stepwise(memory)[2] == list(range(STEPS))


@pytest.mark.parametrize("memory", MEMORIES)
@pytest.mark.parametrize("every", [1, 4, 100])
@pytest.mark.parametrize("first", [False, True])
def test_a_module_in_pieces_gives_the_same_loss_and_gradient(memory: int, every: int, first: bool) -> None:
    factors = np.where(np.arange(1, STEPS) % every == 0, FACTORS, 1.0)

    def run(kept: int | None) -> list[Tensor]:
        torch.manual_seed(0)
        module = nn.LSTM(3, HIDDEN, 2, batch_first=first).double()
        inputs = torch.randn(*((STREAMS, STEPS) if first else (STEPS, STREAMS)), 3, dtype=torch.float64)
        inputs.requires_grad_()
        outputs, (hidden, _) = artbp.unroll_blocks(module, inputs, None, segment(kept, factors=factors))
        loss = outputs.square().sum() + hidden.sum()
        return [outputs, *torch.autograd.grad(loss, [*module.parameters(), inputs])]

    for found, right in zip(run(memory), run(None), strict=True):
        torch.testing.assert_close(found, right, rtol=1e-13, atol=1e-15)


def kept(loop: Loop, memory: int | None, steps: int) -> int:
    """Numbers that the tape keeps after the forward pass."""
    storages: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loop(segment(memory, factors=np.full(steps - 1, 1.01)))
    return sum(storages.values())


def gru_loop(run: Any) -> Loop:
    cell, module = nn.GRUCell(3, 64), nn.GRU(3, 64)

    def loop(segment: artbp.Segment) -> Tensor:
        inputs, start = torch.ones(segment.length, STREAMS, 3), torch.zeros(1, STREAMS, 64)
        if run is artbp.unroll:
            outputs, _ = run(lambda x, state: (cell(x, state),) * 2, inputs, start[0], segment)
            return torch.stack(outputs).sum()
        outputs, _ = run(module, inputs, start, segment)
        return outputs.sum()

    return loop


@pytest.mark.parametrize("run", [artbp.unroll, artbp.unroll_blocks])
def test_what_is_kept_is_bounded_by_the_memory(run: Any) -> None:
    loop = gru_loop(run)
    everything = kept(loop, None, 200)
    assert kept(loop, 10, 200) < 0.25 * everything
    assert kept(loop, None, 100) < 0.6 * everything, "the measure grows with the steps"


def test_the_segments_of_a_scheme_have_its_memory() -> None:
    scheme = artbp.artbp(length=4, alpha=4, memory=7)
    assert {segment.memory for _, segment in scheme.segments(50, np.random.default_rng(0))} == {7}
    assert artbp.bptt(memory=None).segment(3).memory is None


@pytest.mark.parametrize(("length", "memory"), [(1, 1), (5, 2), (6, 2), (7, 300), (9, None)])
def test_pieces_cover_the_segment_and_only_the_first_is_shorter(length: int, memory: int | None) -> None:
    found = windows(length, memory)
    assert [step for start, stop in found for step in range(start, stop)] == list(range(length))
    assert all(stop - start == memory for start, stop in found[1:])
    assert found[0][1] <= (memory or length)
