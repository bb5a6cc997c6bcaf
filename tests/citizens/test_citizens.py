"""An online method stands on its seam: one file and one yaml."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from artbp_exp.training.gradient import Gradients, gradient
from artbp_exp.truncation import Segment
from tests.gradients import relative_errors

Compose = Callable[..., dict[str, Any]]
CHARACTERS = ["task=ptb", "task.corpus=own", "task.batch_size=2", "task.epochs=1", "model.hidden_size=3"]


@pytest.fixture
def experiment(compose: Compose, tmp_path: Path) -> Callable[..., Experiment]:
    """A run on a few symbols, in float64."""
    for part in ("train", "valid", "test"):
        (tmp_path / f"{part}.txt").write_text("abacabadabacabaabacabcdab"[: 18 if part == "train" else 9])

    def build(*overrides: str) -> Experiment:
        return Experiment(
            RunConfig.of(compose(*CHARACTERS, f"task.data_dir={tmp_path}", "precision=float64", *overrides))
        )

    return build


def expected(experiment: Experiment) -> Gradients:
    """The mean gradient over all outcomes of the method's draws."""
    mean: Gradients = {}
    for outcome, probability in experiment.method.outcomes(experiment.task.steps):
        for name, found in gradient(experiment.loop, outcome).gradient.items():
            mean[name] = mean.get(name, 0.0) + probability * found
    return mean


def full(build: Callable[..., Experiment], *overrides: str) -> Gradients:
    return expected(build("method=bptt", *overrides))


@pytest.mark.parametrize("model", ["rnn", "lstm", "gru", "authors"])
@pytest.mark.parametrize("every", [1, 3])
def test_rtrl_is_full_bptt_at_fixed_parameters(experiment: Callable[..., Experiment], model: str, every: int) -> None:
    run = experiment("method=rtrl", f"method.update_every={every}", f"model={model}")
    assert max(relative_errors(expected(run), full(experiment, f"model={model}")).values()) < 1e-12


def test_rtrl_trains_the_synthetic_task(compose: Compose) -> None:
    settings = compose("task=synthetic", "method=rtrl", "task.steps=2000", "optimizer.lr=1e-4", "optimizer.decay=none")
    run = Experiment(RunConfig.of(settings))
    last = list(run.train())[-1]
    assert last.status == "finished"
    assert abs(last.row["theta"] - run.task.theta_optimal) < 0.3


def rows(run: Experiment) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.row.items() if "second" not in k} for r in run.train()]


@pytest.mark.parametrize(
    "overrides",
    [
        ["method=rtrl", "method.update_every=2"],
        ["method=artbp", "method.length=3", "model=rnn", "boundary=dni", "engine=fused"],
    ],
)
def test_a_run_is_resumed_bit_for_bit(experiment: Callable[..., Experiment], overrides: list[str]) -> None:
    whole = rows(experiment(*overrides))
    first, second = experiment(*overrides), experiment(*overrides)
    head = []
    for record in first.trainer.run(pause=lambda: first.trainer.tally.segments == 2):
        head.append(record.row)
        if first.trainer.tally.segments == 2:
            break
    second.trainer.load_state_dict(first.trainer.state_dict())
    tail = rows(second)
    assert [{k: v for k, v in row.items() if "second" not in k} for row in head] + tail == whole


def test_what_does_not_fit_an_online_method_is_one_line(experiment: Callable[..., Experiment]) -> None:
    with pytest.raises(UserError, match=r"method=rtrl has no engine=fused; take engine=auto"):
        experiment("method=rtrl", "engine=fused")
    with pytest.raises(UserError, match=r"method=rtrl has no boundary=dni; take boundary=none"):
        experiment("method=rtrl", "boundary=dni")


def test_a_part_of_a_segment_says_that_it_is_one() -> None:
    segment = replace(Segment(length=3, factors=torch.ones(2).numpy()), memory=2)
    assert segment.part(0, 2).memory == 2
    assert segment.part(0, 3).memory is None
