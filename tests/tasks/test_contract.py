"""What holds of every task: its windows, its loss, its rows, and that it trains and goes on after an interruption.

A new task is found by its yaml. `check_*` are functions, so that broken tasks can show that they are refused.
"""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artbp_exp import registry
from artbp_exp.autograd.engines import ENGINES
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.run_config import RunConfig
from artbp_exp.tasks.base import Progress, Task
from artbp_exp.tasks.losses import MISSING, has_target
from artbp_exp.training.experiment import Experiment
from artbp_exp.training.gradient import flat, gradient

Compose = Callable[..., dict[str, Any]]

LEVELS = {"chance", "floor", "score"}

every_task = pytest.mark.parametrize("name", registry.names("task"))


@pytest.fixture
def settings(compose: Compose, own_corpus: Path) -> Callable[..., dict[str, Any]]:
    """Settings of a run of a task at a tiny size, with the model that it takes by default."""

    def tiny(name: str, *overrides: str) -> dict[str, Any]:
        made = compose(f"task={name}", "method=artbp", "method.length=5", *overrides)
        small = {"steps": 60, "epochs": 2, "corpus": "own", "data_dir": str(own_corpus)}
        small |= {"lag": 3, "blanks": 3, "length": 3, "episodes": 6}
        known = inspect.signature(registry.builder("task", name)).parameters
        drawn = {"steps", "episodes"} & set(known)
        # as many streams as give a pass over given data, which has no such setting, some 100 steps
        small["batch_size"] = 2 if drawn else 60 if "corpus" in known else 700
        made["task"] |= {key: value for key, value in small.items() if key in known}
        if "hidden_size" in made["model"]:
            made["model"]["hidden_size"] = 4
        return made

    return tiny


@pytest.fixture
def parts(settings: Callable[..., dict[str, Any]]) -> Callable[[str], tuple[Task, RecurrentModel]]:
    """A tiny task, its first pass begun, and a model in float64 that fits it."""

    def build(name: str) -> tuple[Task, RecurrentModel]:
        experiment = Experiment(RunConfig.of(settings(name)))
        experiment.task.begin_pass(np.random.default_rng(0))
        return experiment.task, experiment.model.to(torch.float64)

    return build


def predict(task: Task, model: RecurrentModel, start: int, stop: int) -> Tensor:
    inputs, _ = task.window(start, stop)
    return model(inputs, model.init_state(task.batch_size))[0].detach()


def same(one: Tensor, other: Tensor) -> bool:
    """Bit for bit, where a target that is nan stands for none."""
    return one.shape == other.shape and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)


def check_windows(task: Task) -> None:
    """A window has an input and a target for each of its steps and streams, wherever it is cut."""
    whole = task.window(0, task.steps)
    for part in whole:
        assert part.shape[:2] == (task.steps, task.batch_size)
    for cut in (1, task.steps // 2, task.steps - 1):
        for one, head, tail in zip(whole, task.window(0, cut), task.window(cut, task.steps), strict=True):
            assert same(torch.cat([head, tail]), one)


def check_loss(task: Task, model: RecurrentModel) -> None:
    """The loss is a sum over steps: a scalar, and additive wherever the sequence is cut; a mean over streams."""
    predictions, (_, targets) = predict(task, model, 0, task.steps), task.window(0, task.steps)
    total = task.loss(predictions, targets)
    assert total.shape == ()
    assert torch.isfinite(total)
    assert total > 0
    for cut in (1, task.steps // 3, task.steps - 1):
        split = task.loss(predictions[:cut], targets[:cut]) + task.loss(predictions[cut:], targets[cut:])
        torch.testing.assert_close(split, total, rtol=1e-12, atol=0)
    twice = task.loss(torch.cat([predictions] * 2, dim=1), torch.cat([targets] * 2, dim=1))
    torch.testing.assert_close(twice, total, rtol=1e-12, atol=0)


def check_missing(task: Task, model: RecurrentModel) -> None:
    """A step without a target adds nothing to the loss, whatever is predicted there, and has no gradient."""
    predictions, (_, targets) = predict(task, model, 0, task.steps), task.window(0, task.steps)
    there = has_target(targets)
    assert there.any()
    if there.all():
        return
    read = predictions.clone().requires_grad_()
    task.loss(read, targets).backward()
    assert read.grad is not None
    assert read.grad.isfinite().all()
    assert (read.grad[~there] == 0).all()
    elsewhere = torch.where(there[..., None], predictions, 7.0)
    assert torch.equal(task.loss(elsewhere, targets), task.loss(predictions, targets))
    nothing = torch.full_like(targets, torch.nan if targets.is_floating_point() else MISSING)
    assert task.loss(predictions, nothing) == 0


def check_phases(task: Task) -> None:
    """No fixed length of segments keeps step with the losses: they fall at several places of a segment."""
    lost = has_target(task.window(0, task.steps)[1]).any(1).nonzero()[:, 0] % task.episode
    assert all(len(set((lost % length).tolist())) > 1 for length in range(2, task.episode))


def check_data(task: Task, model: RecurrentModel) -> None:
    """Windows, targets and loss."""
    check_windows(task)
    check_loss(task, model)
    check_missing(task, model)
    check_phases(task)


def check_rows(task: Task, model: RecurrentModel) -> None:
    """A row has the task's columns; marks ascend within a pass; the summary of any rows can be printed."""
    marks = task.marks()
    assert marks == sorted(set(marks))
    assert all(0 < mark <= task.steps for mark in marks)
    common = {"step": 6, "row_loss": 6.0, "row_steps": 6, "lengths": {2: 1, 4: 1}}
    rows = [task.row(Progress(passes=passes, at_pass_end=bool(passes), **common), model) for passes in (0, 1)]
    for row in rows:
        assert tuple(row) == task.columns
        assert task.score(row) is None or isinstance(task.score(row), float)
    for some in (rows[:1], rows):
        summary = task.summary(some)
        assert {"chance", "floor", "score"} & summary.keys() == (LEVELS if task.levels else set())
        assert isinstance(summary["steps"], int)
        assert ("(0: floor, 1: " in task.headline(summary)) == (summary.get("score") is not None)


def check_description(task: Task) -> None:
    """What the rest of the program reads of a task has the right kind."""
    assert 1 <= task.episode <= task.steps
    assert task.passes >= 1
    assert task.divergence > 0
    assert all(len(checksum) == 64 for checksum in task.data_sha256.values())


@every_task
def test_every_task_keeps_the_contract(parts: Callable[[str], tuple[Task, RecurrentModel]], name: str) -> None:
    task, model = parts(name)
    assert task.name == name
    assert task.levels is None or task.levels.chance > task.levels.floor >= 0
    check_description(task)
    check_data(task, model)
    check_rows(task, model)


@every_task
def test_a_pass_is_drawn_from_the_data_stream_alone(settings: Callable[..., dict[str, Any]], name: str) -> None:
    """What an interrupted pass is continued on: the same stream gives the same data, whatever was drawn before."""
    fresh, used = (registry.build("task", settings(name)["task"]) for _ in range(2))
    check_windows(fresh)  # before the first pass: what verification and diagnosis look at
    assert all(same(a, b) for a, b in zip(fresh.window(0, 3), used.window(0, 3), strict=True))
    used.begin_pass(np.random.default_rng(3))
    for task in (fresh, used):
        task.begin_pass(np.random.default_rng(4))
    for one, other in zip(fresh.window(0, fresh.steps), used.window(0, used.steps), strict=True):
        assert same(one, other)


@every_task
def test_two_updates_change_every_parameter(settings: Callable[..., dict[str, Any]], name: str) -> None:
    # each of a whole episode, so that it has a loss
    experiment = Experiment(RunConfig.of(settings(name, "engine=plain", "method=tbptt", "method.length=150")))
    before = [p.detach().clone() for p in experiment.model.parameters()]
    updates = iter([False, True])
    list(experiment.trainer.run(pause=lambda: next(updates)))
    assert all((p != q).any() for p, q in zip(experiment.model.parameters(), before, strict=True))


@every_task
def test_an_interrupted_run_ends_as_if_it_had_not_been(settings: Callable[..., dict[str, Any]], name: str) -> None:
    whole = Experiment(RunConfig.of(settings(name)))
    rows = [record.row for record in whole.train()]
    first, second = (Experiment(RunConfig.of(settings(name))) for _ in range(2))
    left = iter([False] * 3 + [True] * 100)
    found = [record.row for record in first.trainer.run(pause=lambda: next(left))]
    second.trainer.load_state_dict(first.trainer.state_dict())
    found += [record.row for record in second.train()]
    timed = {"seconds", "symbols_per_second"}
    assert [{k: v for k, v in row.items() if k not in timed} for row in found] == [
        {k: v for k, v in row.items() if k not in timed} for row in rows
    ]
    for one, other in zip(whole.model.parameters(), second.model.parameters(), strict=True):
        assert torch.equal(one, other)


@every_task
def test_every_engine_gives_the_same_gradient(settings: Callable[..., dict[str, Any]], name: str) -> None:
    found = {}
    for engine in ENGINES:
        try:
            experiment = Experiment(RunConfig.of(settings(name, f"engine={engine}", "precision=float64")))
        except UserError:
            continue  # the task's model does not have it
        experiment.task.begin_pass(np.random.default_rng(0))
        draws = [draw for _, draw in experiment.loop.draws(np.random.default_rng(1))]
        found[engine] = flat(gradient(experiment.loop, draws).gradient)
    assert {"plain", "auto"} <= found.keys()
    assert found["plain"].norm() > 0
    for other in found.values():
        assert (other - found["plain"]).norm() < 1e-12 * found["plain"].norm()


class Broken:
    """A task with one fault; the rest is the task's own."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)


class MeanOverTargets(Broken):
    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._task.loss(predictions, targets) / has_target(targets).sum().clamp_min(1)


class MeanLoss(Broken):
    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._task.loss(predictions, targets) / targets.shape[0]


class SummedStreams(Broken):
    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        return self._task.loss(predictions, targets) * targets.shape[1]


class MissingTarget(Broken):
    """The last step of the sequence has an input and no target."""

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        inputs, targets = self._task.window(start, stop)
        return inputs, targets[:-1] if stop == self._task.steps else targets


class MissingStep(Broken):
    """A window that does not begin the sequence lacks its first step."""

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        return self._task.window(start + (start > 0), stop)


@every_task
def test_broken_tasks_are_refused(parts: Callable[[str], tuple[Task, RecurrentModel]], name: str) -> None:
    task, model = parts(name)
    for fault in (MeanLoss, MeanOverTargets, SummedStreams, MissingTarget, MissingStep):
        broken: Any = fault(task)
        with pytest.raises(AssertionError):
            check_data(broken, model)
