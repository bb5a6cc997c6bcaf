"""Steps that recomputation could get wrong: the gradient is that without a memory, or one line says why it is not."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import artbp_exp as artbp
from artbp_exp.errors import UserError
from artbp_exp.methods import SegmentMethod
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import bptt

STEPS, STREAMS, HIDDEN = 23, 2, 4
FACTORS = np.random.default_rng(0).uniform(1.0, 1.3, STEPS - 1)
INPUTS = torch.randn(STEPS, STREAMS, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

Stepped = tuple[nn.Module, Any, Callable[[Tensor, Any], tuple[Tensor, Any]]]


class Cell(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.read = nn.GRUCell(3, HIDDEN).double(), nn.Linear(HIDDEN, 1).double()


def zeros() -> Tensor:
    return torch.zeros(STREAMS, HIDDEN, dtype=torch.float64)


def dict_in_place() -> Stepped:
    model = Cell()

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state["h"] = model.cell(x, state["h"])
        return model.read(state["h"]), state

    return model, {"h": zeros()}, step


def counter_in_place() -> Stepped:
    model = Cell()

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state["t"] += 1
        state["h"] = model.cell(x / state["t"], state["h"])
        return model.read(state["h"]), state

    return model, {"h": zeros(), "t": torch.tensor(0)}, step


class Normalised(Cell):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", zeros().mean(0))
        self.mean: Tensor

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden = self.cell(x, state) - self.mean
        with torch.no_grad():
            self.mean.mul_(0.9).add_(0.1 * (hidden.mean(0) + 1))
        return self.read(hidden), hidden


def running_buffer() -> Stepped:
    model = Normalised()
    return model, zeros(), model.step


def running_buffer_of_a_closure() -> Stepped:
    model = Normalised()
    return model, zeros(), lambda x, state: model.step(x, state)


def running_buffer_of_a_partial() -> Stepped:
    model = Normalised()
    return model, zeros(), partial(Normalised.step, model)


def batch_norm_of_a_closure() -> Stepped:
    """What it counts is read in evaluation only, so that nothing that is compared changes."""
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).double()

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = torch.tanh(model(state) + x.mean(-1, keepdim=True))
        return state, state

    return model, zeros()[:, :1].expand(-1, 3).clone(), step


def teacher_forcing() -> Stepped:
    model = Cell()

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        forced = random.random() < 0.5 and np.random.random() < 0.8  # noqa: NPY002 (what people write)
        state = model.cell(x if forced else -x, state)
        return model.read(state), state

    return model, zeros(), step


def dropout() -> Stepped:
    model = Cell()

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = model.cell(nn.functional.dropout(x), state)
        return model.read(state), state

    return model, zeros(), step


def gradients(made: Callable[[], Stepped], memory: int | None) -> list[Tensor]:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    torch.manual_seed(1)
    model, state, step = made()
    segment = artbp.Segment(length=STEPS, factors=FACTORS, memory=memory)
    outputs, _ = artbp.unroll(step, INPUTS, state, segment)
    loss = torch.stack(outputs).square().sum()
    found = list(torch.autograd.grad(loss, list(model.parameters())))
    buffers = [buffer.clone() for buffer in model.buffers()]
    # what comes afterwards is not changed by having computed steps twice
    return [*found, *buffers, torch.tensor([random.random(), np.random.random(), torch.rand(()).item()])]  # noqa: NPY002


@pytest.mark.parametrize("memory", [1, 4, 22])
@pytest.mark.parametrize(
    "made",
    [
        dict_in_place,
        counter_in_place,
        running_buffer,
        running_buffer_of_a_closure,
        running_buffer_of_a_partial,
        batch_norm_of_a_closure,
        teacher_forcing,
        dropout,
    ],
)
def test_the_gradient_is_that_without_a_memory(made: Callable[[], Stepped], memory: int) -> None:
    for found, wanted in zip(gradients(made, memory), gradients(made, None), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)


def test_nothing_is_computed_twice_unless_asked() -> None:
    assert {artbp.artbp(length=3, alpha=4).memory, artbp.tbptt(length=3).memory, artbp.bptt().memory} == {None}


def test_a_generator_of_the_steps_own_is_one_line() -> None:
    model, generator = Cell(), torch.Generator().manual_seed(0)

    def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = model.cell(x + torch.rand(x.shape, generator=generator, dtype=x.dtype), state)
        return model.read(state), state

    outputs, _ = artbp.unroll(step, INPUTS, zeros(), artbp.Segment(length=STEPS, factors=FACTORS, memory=5))
    with pytest.raises(UserError, match=r"computing steps 13 to 17 of a segment again.*gave other values.*memory=None"):
        torch.stack(outputs).sum().backward()


class Unrolled(Cell):
    def forward(self, inputs: Tensor, segment: artbp.Segment) -> Tensor:
        def step(x: Tensor, state: Any) -> tuple[Tensor, Any]:
            state = self.cell(x, state)
            return self.read(state), state

        return torch.stack(artbp.unroll(step, inputs, zeros(), segment)[0]).square().sum()


def call(memory: int | None, scale: float) -> tuple[Tensor, ...]:
    model = Unrolled()
    weights = {name: (scale * p).detach().requires_grad_() for name, p in model.named_parameters()}
    segment = artbp.Segment(length=STEPS, factors=FACTORS, memory=memory)
    loss = torch.func.functional_call(model, weights, (INPUTS, segment))
    return torch.autograd.grad(loss, list(weights.values()))


def test_functional_call_is_exact_or_one_line() -> None:
    for found, wanted in zip(call(5, 1.0), call(None, 1.0), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-12, atol=1e-14)
    with pytest.raises(UserError, match="other parameters, an object or a random generator"):
        call(5, 1.5)


def test_transforms_of_torch_func_take_no_memory() -> None:
    model = Unrolled()

    def loss(weights: dict[str, Tensor], memory: int | None) -> Tensor:
        segment = artbp.Segment(length=STEPS, factors=FACTORS, memory=memory)
        return torch.func.functional_call(model, weights, (INPUTS, segment))

    weights = dict(model.named_parameters())
    assert torch.func.grad(loss)(weights, None).keys() == weights.keys()
    with pytest.raises(UserError, match=r"memory=5 .*torch\.func transforms.*23 steps"):
        torch.func.grad(loss)(weights, 5)


class Counting(RecurrentModel):
    """A model of the runner's, with dropout in its step and an integer and a boolean tensor in its state."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.cell, self.drop = nn.GRUCell(3, HIDDEN).double(), nn.Dropout(0.4)

    def init_state(self, batch_size: int) -> Any:
        begun = torch.zeros(batch_size, dtype=torch.bool)
        return {"h": self.cell.weight_hh.new_zeros(batch_size, HIDDEN), "t": torch.tensor(0), "begun": begun}

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        hidden = self.cell(self.drop(inputs), state["h"])
        return hidden, {"h": hidden, "t": state["t"] + 1, "begun": ~state["begun"]}


def runner(memory: int | None, loss: Any) -> tuple[float, Any, list[Tensor | None]]:
    model = Counting()
    method = SegmentMethod(model=model, scheme=bptt.build(), engine="plain")
    segment = artbp.Segment(length=STEPS, factors=FACTORS, memory=memory)
    torch.manual_seed(2)
    value, state = method.advance(model.init_state(STREAMS), segment, INPUTS, INPUTS, loss, ends=True)
    return value, state, [p.grad for p in model.parameters()]


def test_the_runner_replays_dropout_and_takes_integers_in_the_state() -> None:
    def loss(predictions: Tensor, targets: Tensor) -> Tensor:
        return predictions.square().sum()

    (value, state, found), (wanted_value, _, wanted) = runner(4, loss), runner(None, loss)
    assert value == pytest.approx(wanted_value, rel=1e-14)
    assert int(state["t"]) == STEPS
    for mine, whole in zip(found, wanted, strict=True):
        torch.testing.assert_close(mine, whole, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("memory", [None, 4])
def test_a_segment_without_a_loss_adds_nothing_and_carries_on(memory: int | None) -> None:
    value, state, found = runner(memory, lambda predictions, targets: torch.zeros(()))
    assert value == 0.0
    assert int(state["t"]) == STEPS
    assert found == [None] * len(found)
