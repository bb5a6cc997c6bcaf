"""A trainer that was stopped at any segment boundary goes on bit for bit, through the bytes of a checkpoint."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp import registry
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.checkpoint import decode, encode
from artbp_exp.tasks.ptb import PennTreebank
from artbp_exp.training.experiment import Experiment
from tests.cells import CARRIED

Compose = Callable[..., dict[str, Any]]
TIMES = ("seconds", "symbols_per_second")


def rows_and_parameters(experiments: Iterator[Experiment]) -> tuple[list[dict[str, Any]], list[torch.Tensor]]:
    """Trains with one experiment until it pauses, then with the next, …: rows but for their times, final parameters."""
    rows: list[dict[str, Any]] = []
    state: dict[str, Any] | None = None
    while True:
        experiment = next(experiments)
        if state is not None:
            experiment.trainer.load_state_dict(decode(encode(state)))
        asked = iter([False] * experiment.stop_after + [True] * 10**6)  # type: ignore[attr-defined]
        for record in experiment.trainer.run(pause=lambda: next(asked)):  # noqa: B023
            rows.append({k: v for k, v in record.row.items() if k not in TIMES} | {"best": record.best})
        state = experiment.trainer.state_dict()
        if experiment.trainer.done:
            return rows, [p.detach().clone() for p in experiment.model.parameters()]


def stopping(settings: dict[str, Any], stop_after: int) -> Iterator[Experiment]:
    while True:
        experiment = Experiment(RunConfig.of(settings))
        experiment.stop_after = stop_after  # type: ignore[attr-defined]
        yield experiment


def check(settings: dict[str, Any], *stops: int) -> None:
    rows, parameters = rows_and_parameters(stopping(settings, 10**6 - 1))
    for stop in stops:
        other_rows, other_parameters = rows_and_parameters(stopping(settings, stop))
        assert other_rows == rows
        assert all(torch.equal(p, q) for p, q in zip(other_parameters, parameters, strict=True))


@pytest.fixture
def characters(compose: Compose, own_corpus: Path) -> Compose:
    corpus = ["task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "task.epochs=2", "task.batch_size=16"]
    small = ["task.rows_per_epoch=3", "model.hidden_size=4", "optimizer.lr=0.01", "method.length=30"]
    return lambda *overrides: compose(*corpus, *small, *overrides)


@pytest.mark.parametrize("model", [m for m in CARRIED if m != "linear"])
def test_every_model_stopped_at_every_segment(model: str, characters: Compose) -> None:
    check(characters(f"model={model}"), 0, 3)


@pytest.mark.parametrize("optimizer", registry.names("optimizer"))
@pytest.mark.parametrize("carry", ["true", "false"])
def test_every_optimizer(optimizer: str, carry: str, characters: Compose) -> None:
    check(characters(f"optimizer={optimizer}", "optimizer.clip=1", f"task.carry_state={carry}"), 0)


@pytest.mark.parametrize("method", ["artbp", "tbptt", "bptt"])
@pytest.mark.parametrize("engine", ["auto", "plain"])
def test_the_synthetic_task(method: str, engine: str, compose: Compose) -> None:
    steps = 9_000 if engine == "auto" else 600
    length = [] if method == "bptt" else ["method.length=9"]
    check(compose("task=synthetic", f"task.steps={steps}", f"method={method}", f"engine={engine}", *length), 0, 2)


def test_a_run_that_diverges_does_so_again(compose: Compose) -> None:
    high = ["method=tbptt", "method.length=10", "optimizer.lr=1", "task.divergence=1e6"]
    check(compose("task=synthetic", "task.steps=9000", *high), 0)


class Drawing(PennTreebank):
    """Reads its streams in an order drawn anew for each pass, and with a symbol changed now and then."""

    def begin_pass(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._order = torch.from_numpy(rng.permutation(self.batch_size))

    def window(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        inputs, targets = super().window(start, stop)
        symbol = int(self._rng.integers(self.shapes["vocabulary"]))
        inputs = inputs[:, self._order].index_fill(0, torch.tensor([0]), symbol)
        return inputs, targets[:, self._order]


def test_a_task_that_draws_its_data(characters: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artbp_exp.tasks.ptb.PennTreebank", Drawing)
    check(characters(), 0, 4)
