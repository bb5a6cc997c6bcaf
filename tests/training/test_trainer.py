"""Training as a whole: the same seed, the same rows."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.tasks.ptb import PennTreebank
from artbp_exp.training.experiment import Experiment, find_device
from artbp_exp.training.trainer import Record

Compose = Callable[..., dict[str, Any]]
TIMES = ("seconds", "symbols_per_second")
GOLDEN_SYNTHETIC = {"loss": 1.717098073292793, "theta": -0.0445153321971441}
GOLDEN_CHARACTERS = {"train_bpc": 4.646423672489605, "valid_bpc": 4.539181040108241}


@pytest.fixture
def settings(compose: Compose, own_corpus: Path) -> Callable[..., dict[str, Any]]:
    """`settings("ptb", …)`: a run that takes a second, on the made-up corpus, or on the synthetic task."""
    characters = ["task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "task.epochs=2", "task.batch_size=8"]
    usual = {
        "synthetic": ["task=synthetic", "task.steps=2000"],
        "ptb": [*characters, "task.rows_per_epoch=4", "model.hidden_size=6", "optimizer.lr=0.01"],
    }
    return lambda task, *overrides: compose(*usual[task], *overrides)


def train(settings: dict[str, Any]) -> list[Record]:
    return list(Experiment(RunConfig.of(settings)).train())


def without_times(records: list[Record]) -> list[dict[str, Any]]:
    return [{key: value for key, value in r.row.items() if key not in TIMES} for r in records]


@pytest.mark.parametrize("task", ["synthetic", "ptb"])
def test_the_same_seed_gives_the_same_rows_and_another_seed_others(task: str, settings: Callable) -> None:
    first = without_times(train(settings(task, "seed=0")))
    assert first == without_times(train(settings(task, "seed=0")))
    assert first != without_times(train(settings(task, "seed=1")))


def test_methods_with_one_seed_start_from_the_same_weights(settings: Callable) -> None:
    def weights(*overrides: str) -> torch.Tensor:
        return torch.cat(
            [p.flatten() for p in Experiment(RunConfig.of(settings("ptb", *overrides))).model.parameters()]
        )

    artbp = weights("method=artbp", "seed=3")
    assert torch.equal(artbp, weights("method=tbptt", "seed=3"))
    assert torch.equal(artbp, weights("method=bptt", "seed=3"))
    assert not torch.equal(artbp, weights("method=artbp", "seed=4"))


def test_the_models_size_does_not_change_the_cuts(settings: Callable) -> None:
    runs = [
        Experiment(RunConfig.of(settings("ptb", f"model.hidden_size={size}", "method.length=9"))) for size in (3, 8)
    ]
    for run in runs:
        list(run.train())
    assert runs[0].trainer.progress.lengths == runs[1].trainer.progress.lengths


@pytest.mark.parametrize(("task", "method"), [("synthetic", "artbp"), ("ptb", "artbp"), ("ptb", "bptt")])
def test_rows_ascend_to_the_end_and_only_the_last_is_final(task: str, method: str, settings: Callable) -> None:
    config = settings(task, f"method={method}")
    experiment = Experiment(RunConfig.of(config))
    records = list(experiment.train())
    steps = [r.row["step"] for r in records]
    assert steps == sorted(set(steps))
    assert steps[-1] == experiment.task.steps * experiment.task.passes
    assert experiment.trainer.done
    assert all(tuple(r.row) == experiment.task.columns for r in records)
    assert any(r.best for r in records)


def test_every_epoch_is_closed_by_a_row_with_held_out_scores(settings: Callable) -> None:
    rows = [r.row for r in train(settings("ptb"))]
    closing = [row for row in rows if row["valid_bpc"] is not None]
    assert [row["epoch"] for row in closing] == [1, 2]
    assert rows[-1] is closing[-1]
    assert closing[1]["valid_bpc"] < closing[0]["valid_bpc"]


def test_ticks_add_up_to_the_steps_done(settings: Callable) -> None:
    ticks: list[int] = []
    experiment = Experiment(RunConfig.of(settings("ptb")))
    list(experiment.train(tick=ticks.append))
    assert sum(ticks) == experiment.task.steps * experiment.task.passes


@pytest.mark.parametrize("engine", ["plain", "fused"])
def test_divergence_is_a_result(engine: str, settings: Callable) -> None:
    config = settings("synthetic", "method=tbptt", "method.length=10", "optimizer.lr=1", "task.divergence=1e6")
    experiment = Experiment(RunConfig.of(config | {"engine": engine}))
    records = list(experiment.train())
    assert experiment.trainer.progress.diverged
    assert records[-1].row["step"] < experiment.task.steps
    assert math.isfinite(records[-1].row["theta"])


def test_a_character_run_can_diverge_in_its_first_epoch(settings: Callable) -> None:
    experiment = Experiment(RunConfig.of(settings("ptb", "task.divergence=0.01")))
    (record,) = experiment.train()
    assert experiment.trainer.progress.diverged
    assert record.row["valid_bpc"] is None
    assert record.best


def test_resetting_the_state_is_another_computation(settings: Callable) -> None:
    carried = without_times(train(settings("ptb", "method.length=5")))
    reset = without_times(train(settings("ptb", "method.length=5", "task.carry_state=false")))
    assert carried[-1]["max_length"] == reset[-1]["max_length"]
    assert carried[-1]["train_bpc"] != reset[-1]["train_bpc"]


def test_golden_loss_synthetic(settings: Callable) -> None:
    last = train(settings("synthetic", "method=artbp", "seed=0"))[-1].row
    assert last["loss"] == pytest.approx(GOLDEN_SYNTHETIC["loss"], rel=1e-9)
    assert last["theta"] == pytest.approx(GOLDEN_SYNTHETIC["theta"], rel=1e-9)


def test_golden_loss_characters(settings: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    # in float64, so that the number holds on other machines to the digits it is compared to
    monkeypatch.setattr(PennTreebank, "dtype", torch.float64)
    last = train(settings("ptb", "method=artbp", "model=lstm", "seed=0"))[-1].row
    assert last["train_bpc"] == pytest.approx(GOLDEN_CHARACTERS["train_bpc"], rel=1e-9)
    assert last["valid_bpc"] == pytest.approx(GOLDEN_CHARACTERS["valid_bpc"], rel=1e-9)


def test_cpu_is_always_there_and_unknown_devices_are_refused() -> None:
    assert find_device("cpu").type == "cpu"
    with pytest.raises(UserError, match="device=gpu is not known"):
        find_device("gpu")


def test_full_bptt_over_many_steps_is_warned_of(compose: Callable[..., dict[str, Any]]) -> None:
    with pytest.warns(UserWarning, match="never cuts: one update for each pass over 20000 steps"):
        Experiment(RunConfig.of(compose("method=bptt", "task.steps=20000")))
    Experiment(RunConfig.of(compose("method=bptt", "task.steps=10000")))


@pytest.mark.parametrize("overrides", [("method.length=1",), ("method.length=10", "method.every=10")])
def test_random_cuts_that_are_certain_are_warned_of(compose: Callable[..., dict[str, Any]], overrides: Any) -> None:
    said = r"artbp with method.length=10? ends every segment .* truncated BPTT, .* above method.every$"
    with pytest.warns(UserWarning, match=said):
        Experiment(RunConfig.of(compose(*overrides)))
    Experiment(RunConfig.of(compose(*overrides, "method.reweight=false")))
    Experiment(RunConfig.of(compose("method.length=10.5", "method.every=10")))
    Experiment(RunConfig.of(compose("method=tbptt", "method.length=1")))


@pytest.mark.parametrize(
    "overrides",
    [
        *(["task=recall", f"task.{name}=1e12"] for name in ("lag", "steps", "batch_size")),
        *(["task=copy", f"task.{name}=1e12"] for name in ("length", "blanks", "episodes", "batch_size")),
        *([f"task={name}", "task.steps=1e12"] for name in ("brackets", "anbn")),
        ["task=adding", "task.length=1e25"],
    ],
)
def test_a_task_that_does_not_fit_in_memory_is_one_line(compose: Any, overrides: list[str]) -> None:
    with pytest.raises(UserError, match=r"task=\w+ of this size does not fit in memory; take smaller settings of it"):
        Experiment(RunConfig.of(compose(*overrides)))


@pytest.mark.parametrize(
    "overrides",
    [["method=adaptive", "method.memory=1e30"], ["method=tprop", "method.length=1e30"], ["task.rows=1e12"]],
)
def test_a_setting_beyond_the_data_is_the_data_s(compose: Any, overrides: list[str]) -> None:
    small = ["task=recall", "task.steps=12", "task.lag=2", "model.hidden_size=2"]
    run = Experiment(RunConfig.of(compose(*small, *overrides)))
    assert list(run.train())
    assert run.method.stored_numbers(12) > 0


def test_more_anchors_than_memory_holds_are_refused(compose: Any) -> None:
    with pytest.raises(UserError, match=r"auxiliary\.anchors=1000000000000 needs"):
        Experiment(RunConfig.of(compose("task=recall", "method=bptt", "auxiliary=predict", "auxiliary.anchors=1e12")))
