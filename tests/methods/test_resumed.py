"""A method's carry is in the checkpoint, whole: a run is resumed bit for bit, and a boundary fits no online method."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment

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
    for record in first.trainer.run(pause=lambda: first.trainer.progress.segments == 2):
        head.append(record.row)
        if first.trainer.progress.segments == 2:
            break
    second.trainer.load_state_dict(first.trainer.state_dict())
    tail = rows(second)
    assert [{k: v for k, v in row.items() if "second" not in k} for row in head] + tail == whole


def test_a_boundary_does_not_fit_an_online_method(experiment: Callable[..., Experiment]) -> None:
    with pytest.raises(UserError, match=r"method=rtrl has no boundary=dni; take boundary=none"):
        experiment("method=rtrl", "boundary=dni")
