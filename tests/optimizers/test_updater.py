"""Schedules in steps of data, scaling by length, and what the runner's optimisers are."""

import io
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.optimizers.base import Updater
from artbp_exp.optimizers.schedule import SCHEDULES, make_schedule
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment

NAMES = registry.names("optimizer")


def make(name: str, parameter: torch.Tensor, **settings: Any) -> Updater:
    built = registry.build("optimizer", {"name": name, "lr": 0.1, **settings}, parameters=[parameter], total_steps=1000)
    assert isinstance(built, Updater)
    return built


def moved(updater: Updater, parameter: torch.Tensor, lengths: list[int], start: int = 0) -> torch.Tensor:
    step = start
    for length in lengths:
        step += length
        parameter.grad = torch.full_like(parameter, 1.0 * length)
        updater.update(step, length)
    return parameter.detach().clone()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 1, 200])
def test_a_schedule_rises_and_falls_where_it_says(schedule: str, warmup: int) -> None:
    rate = make_schedule(schedule, warmup, 1000)
    if schedule == "constant" and not warmup:
        assert rate is None
        return
    assert rate is not None
    assert [rate(step) for step in range(warmup)] == pytest.approx([step / warmup for step in range(warmup)])
    assert rate(warmup) == 1
    falls = {"constant": (1, 1), "linear": (2 / 3, 1 / 2), "cosine": (3 / 4, 1 / 2)}[schedule]
    assert tuple(rate(warmup + (1000 - warmup) / part) for part in (3, 2)) == pytest.approx(falls)
    assert rate(1000) == pytest.approx(float(schedule == "constant"), abs=1e-15)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (("cosin", 0, 1000), "optimizer.schedule=cosin is not known; did you mean cosine"),
        (("linear", -1, 1000), "optimizer.warmup must be a whole number ≥ 0"),
        (("linear", 1000, 1000), "optimizer.warmup=1000 must be less than the run's 1000 steps"),
        (("linear", 0, None), "optimizer.schedule=linear needs the run's number of steps"),
    ],
)
def test_a_wrong_schedule_is_refused(settings: tuple[str, int, int | None], says: str) -> None:
    with pytest.raises(UserError, match=says):
        make_schedule(*settings)


def test_a_schedule_counts_steps_of_data_and_not_updates() -> None:
    """Under a linear schedule, SGD on a constant gradient a step moves as far however the data are cut."""
    ends = []
    for lengths in ([10] * 100, [100] * 10, [1000], [3, 597, 1, 399]):
        parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        updater = make("sgd", parameter, decay="none", schedule="linear")
        ends.append(moved(updater, parameter, lengths).item())
    assert ends == pytest.approx([-0.1 * 1000 / 2] * 4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("settings", [{}, {"schedule": "cosine", "warmup": 30}])
def test_an_interrupted_run_goes_on_with_the_same_rates(name: str, settings: dict[str, Any]) -> None:
    whole, first, second = (torch.zeros(3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    lengths = [20, 5, 100, 40, 7, 300]
    wanted = moved(make(name, whole, **settings), whole, lengths)
    updater = make(name, first, **settings)
    second.data.copy_(moved(updater, first, lengths[:3]))
    again = make(name, second, **settings)
    again.load_state_dict(updater.state_dict())
    assert torch.equal(moved(again, second, lengths[3:], start=125), wanted)


def test_the_papers_decay_is_taken_at_the_end_of_a_segment() -> None:
    parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    updater = make("sgd", parameter)
    assert moved(updater, parameter, [3]).item() == pytest.approx(-0.1 * 3 / math.sqrt(4))
    assert updater.plain_rate(3, 3) == pytest.approx(0.1 / 2)
    both = make("sgd", parameter, schedule="linear")
    assert both.plain_rate(8, 8) == pytest.approx(0.1 / 3 * (1 - 4 / 1000))


def test_length_scaling_multiplies_the_rate_by_the_length() -> None:
    ends = []
    for lengths in ([25], [50], [100]):
        parameter = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        settings = {"name": "adam", "lr": 0.1, "length_scaling": True}
        updater = registry.build("optimizer", settings, parameters=[parameter], mean_length=50)
        ends.append(moved(updater, parameter, lengths).item())
    assert ends == pytest.approx([-0.05, -0.1, -0.2], rel=1e-6)


@pytest.mark.parametrize(("aware", "kind"), [(True, "artbp_exp.optimizers.length_aware"), (False, "torch.optim.adam")])
def test_length_aware_chooses_the_optimiser(aware: bool, kind: str) -> None:
    parameter = torch.zeros(1, requires_grad=True)
    settings = {"name": "adam", "lr": 0.1, "length_aware": aware}
    updater = registry.build("optimizer", settings, parameters=[parameter], mean_length=50)
    assert type(updater.optimizer).__module__ == kind
    # at the mean length they are one
    assert moved(updater, parameter, [50, 50]).item() == pytest.approx(-0.2, rel=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"length_aware": "yes"}, {"length_scaling": 1}, {"schedule": "step"}, {"warmup": 0.5}, {"lr": 0}]
)
def test_bad_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"optimizer\.{next(iter(wrong))}"):
        make("adam", torch.zeros(1, requires_grad=True), **wrong)


@pytest.mark.parametrize("setting", ["length_aware", "length_scaling"])
def test_a_method_without_segments_has_no_length_to_be_aware_of(setting: str) -> None:
    with pytest.raises(UserError, match=rf"optimizer\.{setting}=true needs a method with a mean segment length"):
        make("adam", torch.zeros(1, requires_grad=True), **{setting: True})


@pytest.mark.parametrize("stops", [(1,), (4, 11, 12)])
def test_a_run_with_all_of_it_goes_on_bit_for_bit(
    configure: Callable[..., RunConfig], own_corpus: Path, stops: tuple[int, ...]
) -> None:
    """Schedule, length-aware Adam and a random phase, interrupted after some updates."""
    data = ["task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "task.batch_size=40", "task.epochs=2"]
    rates = ["optimizer.schedule=cosine", "optimizer.warmup=30", "optimizer.length_aware=true", "optimizer.lr=0.01"]
    method = ["method=tbptt", "method.length=13", "method.phase=random", "model.hidden_size=5", "engine=plain"]
    settings = configure(*data, *rates, *method)
    whole = Experiment(settings)
    list(whole.train())
    trainer, updates = Experiment(settings).trainer, 0
    for stop in stops:
        left = iter([False] * (stop - updates - 1) + [True])
        list(trainer.run(pause=lambda left=left: next(left)))
        updates = stop
        file = io.BytesIO()
        torch.save(trainer.state_dict(), file)
        file.seek(0)
        again = Experiment(settings)
        again.trainer.load_state_dict(torch.load(file, weights_only=True))
        trainer = again.trainer
    list(trainer.run())
    assert whole.trainer.progress.lengths[13] > 5
    assert trainer.progress.lengths == whole.trainer.progress.lengths
    for one, other in zip(whole.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(one, other)
