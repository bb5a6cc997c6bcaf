"""Adaptive truncation on linear systems of known decay: the share it leaves is truncated BPTT's relative bias."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artbp_exp.errors import UserError
from artbp_exp.methods import SegmentMethod, make_method
from artbp_exp.methods.adaptive import Adaptive
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from artbp_exp.truncation import bptt, tbptt

Compose = Callable[..., dict[str, Any]]
STEPS = 1200


class Leaky(RecurrentModel):
    """s' = β s + θ."""

    def __init__(self, decay: float) -> None:
        super().__init__()
        self.decay, self.theta = decay, nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def init_state(self, batch_size: int) -> Tensor:
        return self.theta.new_zeros(batch_size, 1)

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        state = self.decay * state + self.theta
        return state, state


class Constant:
    """One stream that is to be 1 at every step: at θ = 0 all contributions to the gradient have one sign."""

    steps = episode = STEPS
    batch_size = 1
    carry_state = True

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        return torch.zeros(stop - start, 1, 0), torch.ones(stop - start, 1, 1, dtype=torch.float64)

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return 0.5 * (predictions - targets).square().sum()


def adaptive(decay: float, **settings: Any) -> Adaptive:
    task: Any = Constant()
    settings = {"name": "adaptive", "length": 60} | settings
    found = make_method(settings, model=Leaky(decay), task=task, engine="plain")
    assert isinstance(found, Adaptive)
    return found


def first_length(method: Adaptive) -> int:
    return next(draw.length for _, draw in method.draws(STEPS, np.random.default_rng(0)))


def gradient(decay: float, length: int | None) -> float:
    model, task = Leaky(decay), Constant()
    scheme = bptt.build() if length is None else tbptt.build(length=length)
    method, carry = SegmentMethod(model=model, scheme=scheme, engine="plain"), model.init_state(1)
    for start, draw in method.draws(STEPS, np.random.default_rng(0)):
        window = task.window(start, start + draw.length)
        _, carry = method.advance(carry, draw, *window, task.loss, ends=False)
    assert model.theta.grad is not None
    return model.theta.grad.item()


@pytest.mark.parametrize(("decay", "bias"), [(0.5, 0.2), (0.8, 0.25), (0.9, 0.3)])
def test_it_takes_the_shortest_length_of_which_the_relative_bias_is_small_enough(decay: float, bias: float) -> None:
    method = adaptive(decay, bias=bias)
    length = first_length(method)
    assert method.row() == {"truncation_length": length, "influence_decay": pytest.approx(decay, rel=1e-9)}
    # shares of an endless sequence: (β − β^{L+1})/(1 − β)/L
    share = [decay * (1 - decay**n) / (1 - decay) / n for n in (length, length - 1)]
    assert share[0] <= bias < share[1]
    full = gradient(decay, None)
    biases = [1 - gradient(decay, n) / full for n in (length, length - 1)]
    assert biases == pytest.approx(share, rel=0.02)


@pytest.mark.parametrize("decay", [1.0, 1.01])
def test_influence_that_does_not_decay_takes_the_maximum(decay: float) -> None:
    method = adaptive(decay, bias=0.9)
    assert first_length(method) == 60
    assert method.row()["influence_decay"] >= 1 - 1e-12


def test_a_decay_too_slow_for_the_maximum_takes_the_maximum() -> None:
    assert first_length(adaptive(0.99, bias=0.1)) == 60


def test_the_length_changes_where_a_measurement_is_due_and_nowhere_else() -> None:
    method = adaptive(0.5, bias=0.2, estimate_every=100)
    lengths = []
    for start, draw in method.draws(STEPS, np.random.default_rng(0)):
        lengths.append((start, draw.length))
        method._model.decay = 0.5 if start < 250 else 0.8  # type: ignore[assignment]
    values = [first_length(adaptive(decay, bias=0.2)) for decay in (0.5, 0.8)]
    assert values[0] != values[1]
    changed = next(start for start, length in lengths if length != values[0])
    assert [length for start, length in lengths if start < changed] == [values[0]] * (changed // values[0])
    assert 300 <= changed < 300 + 3 * values[0]
    assert {length for start, length in lengths[:-1] if start >= changed} == {values[1]}


def test_without_a_loss_the_length_stays() -> None:
    method = adaptive(0.5)
    method._task.window = lambda start, stop: (  # type: ignore[method-assign]
        torch.zeros(stop - start, 1, 0),
        torch.full((stop - start, 1, 1), float("nan")),
    )
    assert first_length(method) == 60


@pytest.fixture
def experiment(compose: Compose, tmp_path: Path) -> Callable[..., Experiment]:
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("abacabadabacabaabacabcdab" * 6)
    small = ["task=ptb", "task.corpus=own", f"task.data_dir={tmp_path}", "task.batch_size=2", "task.epochs=1"]
    small += [
        "model=rnn",
        "model.hidden_size=3",
        "method=adaptive",
        "method.length=20",
        "optimizer.lr=0.1",
        "task.rows_per_epoch=4",
    ]
    small += ["method.estimate_every=30", "method.losses=1", "method.bias=0.3"]
    return lambda *overrides: Experiment(RunConfig.of(compose(*small, *overrides)))


def rows(run: Experiment) -> list[dict[str, Any]]:
    found = [record.row for record in run.train()]
    assert all(tuple(row) == run.trainer.columns for row in found)
    return [{k: v for k, v in row.items() if "second" not in k} for row in found]


def test_a_run_is_resumed_bit_for_bit_with_its_length(experiment: Callable[..., Experiment]) -> None:
    overrides = ["boundary=dni", "engine=plain"]
    run = experiment(*overrides)
    whole = rows(run)
    lengths = [row["truncation_length"] for row in whole]
    assert len(set(lengths)) > 1
    first, second = experiment(*overrides), experiment(*overrides)
    head = list(first.trainer.run(pause=lambda: first.trainer.progress.segments == 3))
    second.trainer.load_state_dict(first.trainer.state_dict())
    assert [{k: v for k, v in r.row.items() if "second" not in k} for r in head] + rows(second) == whole
    assert all(map(torch.equal, second.model.parameters(), run.model.parameters()))


@pytest.mark.parametrize("boundary", ["dni", "critic"])
def test_a_boundary_that_sees_the_next_input_is_shown_it(experiment: Callable[..., Experiment], boundary: str) -> None:
    run = experiment(f"boundary={boundary}", "boundary.context=input", "auxiliary=predict", "auxiliary.length=4")
    assert run.method.looks_ahead
    assert len(rows(run)) == 4


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["boundary=critic", "task.carry_state=false"],
            r"method=adaptive with task\.carry_state=false resets the state",
        ),
        (
            ["auxiliary=predict", "method.length=12"],
            "needs segments of at least 13 steps, and method=adaptive makes none",
        ),
    ],
)
def test_what_would_stand_idle_is_refused(
    experiment: Callable[..., Experiment], overrides: list[str], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        experiment(*overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("method.length=2.5", r"method\.length must be a whole number ≥ 1; got 2\.5"),
        ("method.bias=0", r"method\.bias must be a number > 0; got 0"),
        ("method.bias=1", r"method\.bias must be below 1, all the influence there is; got 1"),
        ("method.estimate_every=0", r"method\.estimate_every must be a whole number ≥ 1; got 0"),
        ("method.losses=0", r"method\.losses must be a whole number ≥ 1; got 0"),
    ],
)
def test_bad_settings_are_one_line(experiment: Callable[..., Experiment], override: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        experiment(override)
