"""How influence decays, against runs that begin at a state of which each part is a leaf of its own."""

from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp.autograd import leaves, map_state
from artbp_exp.diagnosis.influence import influence_by_lag, window_change
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from tests.small import small

LAGS = (0, 1, 2, 5)


def squared(model: RecurrentModel, task: Task, t: int, lag: int) -> float:
    """‖∂ℓ_t/∂s_{t−lag}‖², ℓ_t the sum of its streams', from a state that has no history."""
    inputs, targets = task.window(0, task.steps)
    encoded = model.encode(inputs)
    state: Any = model.init_state(task.batch_size)
    with torch.no_grad():
        for row in encoded[: t - lag + 1]:
            _, state = model.step(row, state)
    state = here = map_state(lambda tensor: tensor.clone().requires_grad_(), state)
    output = leaves(state)[0]  # h of every model here
    for row in encoded[t - lag + 1 : t + 1]:
        output, state = model.step(row, state)
    loss = task.loss(model.decode(output[None]), targets[t : t + 1]) * task.batch_size
    found = torch.autograd.grad(loss, leaves(here), allow_unused=True)
    return sum(float(g.square().sum()) for g in found if g is not None)


@pytest.mark.parametrize("name", ["lstm", "authors", "gru"])
def test_the_parts_of_a_state_are_coordinates_of_their_own(name: str) -> None:
    model, task = small(name, 20)
    falls = influence_by_lag(model, task, lags=5, losses=2, rng=np.random.default_rng(0))
    for lag in LAGS:
        # the first and the last loss that can be followed back; a mean over losses and over streams
        wanted = np.mean([squared(model, task, t, lag) for t in (5, 19)]) / task.batch_size
        assert falls["influence"][lag] == pytest.approx(np.sqrt(wanted), rel=1e-9)


class Twice:
    """A task whose only stream is read twice, side by side."""

    def __init__(self, task: Any, streams: int) -> None:
        self._task, self.batch_size, self.steps = task, streams, task.steps
        self.loss = task.loss

    def window(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, targets = self._task.window(start, stop)
        return inputs[:, [0] * self.batch_size], targets[:, [0] * self.batch_size]


def test_streams_that_are_alike_have_the_influence_of_one() -> None:
    model, task = small("rnn", 20)
    tasks: list[Any] = [Twice(task, streams) for streams in (1, 2)]
    one, two = (influence_by_lag(model, each, lags=5, losses=4, rng=np.random.default_rng(0)) for each in tasks)
    assert two["influence"].to_numpy() == pytest.approx(one["influence"].to_numpy(), rel=1e-9)


def last_quarter(model: RecurrentModel, task: Task, begin: int) -> torch.Tensor:
    """Gradient of the last quarter's losses, of a tape that begins before step `begin`."""
    inputs, targets = task.window(0, task.steps)
    state: Any = model.init_state(task.batch_size)
    total = torch.zeros((), dtype=torch.float64)
    for t in range(task.steps):
        if t == begin:
            state = map_state(lambda tensor: tensor.detach(), state)
        output, state = model.step(model.encode(inputs[t : t + 1])[0], state)
        if t >= task.steps - task.steps // 4:
            total = total + task.loss(model.decode(output[None]), targets[t : t + 1])
    return torch.cat([g.flatten() for g in torch.autograd.grad(total, list(model.parameters()))])


def test_the_window_is_halved() -> None:
    model, task = small("rnn", 16)
    long, short = last_quarter(model, task, 0), last_quarter(model, task, 8)
    change = float((long - short).norm() / long.norm())
    assert change > 1e-3
    assert window_change(model, task) == pytest.approx(change, rel=1e-9)
