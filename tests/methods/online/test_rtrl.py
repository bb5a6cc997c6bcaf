"""RTRL is full BPTT at fixed parameters, and its usual mistakes are not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.methods.online.rtrl import RTRL
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from tests.cells import CARRIED
from tests.methods.online.tiny import Tiny

EXACT, WRONG = 1e-12, 1e-4
Compose = Callable[..., dict[str, Any]]


@pytest.mark.parametrize("every", [1, 3])
@pytest.mark.parametrize("model", [*CARRIED, "nested"])
def test_rtrl_is_full_bptt(model: str, every: int) -> None:
    tiny = Tiny(model, steps=7, streams=2, hidden=3)
    assert tiny.off(tiny.method(name="rtrl", update_every=every)) < EXACT


def test_it_keeps_what_it_says() -> None:
    tiny = Tiny("lstm", steps=2, hidden=3)
    assert tiny.method(name="rtrl").stored_numbers(2) == 6 * (4 * 12 + 12 + 12 * 3)


class SharedInfluence(RTRL):
    """One G for all streams."""

    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        return super().earlier(arrived, memory.mean(0, keepdim=True).expand_as(memory))


class OtherOrder(RTRL):
    """G and the parameters flattened in different orders."""

    def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
        return super().earlier(arrived, memory.flip(2))


class HiddenOnly(RTRL):
    """An LSTM's state is taken for h alone: what the cell carries is forgotten."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        found = super().carry_on(theta, state, inputs, memory, numbers).clone()
        found[:, found.shape[1] // 2 :] = 0
        return found


@pytest.mark.parametrize("broken", [SharedInfluence, OtherOrder, HiddenOnly])
def test_mistakes_are_refuted(broken: type[RTRL]) -> None:
    tiny = Tiny("lstm", steps=5, streams=2)
    task: Any = tiny
    assert tiny.off(broken(model=tiny.model, task=task)) > WRONG


def test_the_jacobian_is_that_of_the_parameters_before_the_update() -> None:
    """The influence after an update is the one that was computed before it."""
    tiny = Tiny("rnn", steps=2)
    method = tiny.method(name="rtrl")
    draws = [draw for _, draw in method.draws(2, None)]  # type: ignore[arg-type]  # it draws nothing
    loop = tiny.loop(method)
    _, carry = loop.advance(0, draws[0], loop.begin())
    kept = carry["memory"].clone()
    with torch.no_grad():
        for parameter in tiny.model.parameters():
            parameter.add_(0.5)
    assert torch.equal(carry["memory"], kept)


def test_influence_balancing_at_a_constant_rate(compose: Compose) -> None:
    """The parameter closes in on θ* = −1/6."""
    overrides = ["task=synthetic", "method=rtrl", "optimizer.decay=none", "optimizer.lr=1e-4", "task.steps=600"]
    last = list(Experiment(RunConfig.of(compose(*overrides))).train())[-1]
    assert abs(last.row["theta"] + 1 / 6) < 0.05


def test_a_model_that_is_too_large_is_refused_with_its_numbers() -> None:
    tiny: Any = Tiny("rnn", steps=2)
    tiny.batch_size = 10**14
    with pytest.raises(UserError, match=r"method=rtrl needs .* GiB for states × parameters × streams alone; this"):
        tiny.method(name="rtrl")
