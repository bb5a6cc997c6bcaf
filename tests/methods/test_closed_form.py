"""The fast learner of the synthetic task equals the plain one to rounding."""

from collections.abc import Callable
from typing import Any

import pytest

from artbp_exp.errors import UserError
from artbp_exp.methods import ClosedForm, SegmentMethod
from artbp_exp.methods.closed_form import PIECE
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from tests.schemes import ALL, label

Compose = Callable[..., dict[str, Any]]
CLOSE = 1e-10


def train(settings: dict[str, Any], engine: str) -> tuple[list[dict[str, Any]], Experiment]:
    experiment = Experiment(RunConfig.of(settings | {"engine": engine}))
    rows = [{k: v for k, v in r.row.items() if k != "seconds"} for r in experiment.train()]
    return rows, experiment


def agree(settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Both engines give the same rows; returns them."""
    plain, one = train(settings, "plain")
    fused, other = train(settings, "fused")
    assert isinstance(one.method, SegmentMethod)
    assert isinstance(other.method, ClosedForm)
    assert one.trainer.progress.lengths == other.trainer.progress.lengths
    assert len(plain) == len(fused)
    for a, b in zip(plain, fused, strict=True):
        assert a == pytest.approx(b, rel=CLOSE, abs=0)
    return plain


@pytest.mark.parametrize("method", ALL, ids=label)
def test_every_method(compose: Compose, method: dict[str, Any]) -> None:
    agree(compose("task.steps=400", "optimizer.lr=1e-4") | {"method": method})


@pytest.mark.parametrize(("size", "positive"), [(1, 0), (1, 1), (2, 1), (5, 5), (23, 10), (40, 3)])
def test_every_size(compose: Compose, size: int, positive: int) -> None:
    agree(compose("task.steps=500", f"task.size={size}", f"task.positive={positive}", "optimizer.lr=1e-4"))


@pytest.mark.parametrize("length", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 2 * PIECE + 3])
def test_segments_longer_than_a_piece(compose: Compose, length: int) -> None:
    agree(compose("task.steps=1300", "method=tbptt", f"method.length={length}", "optimizer.lr=1e-5"))


def test_long_random_segments_with_their_factors(compose: Compose) -> None:
    rows = agree(compose("task.steps=3000", "method.length=300", "method.alpha=3", "optimizer.lr=1e-6"))
    assert rows[-1]["max_length"] > PIECE


@pytest.mark.parametrize("decay", ["sqrt", "none"])
def test_clipping_and_both_rates(compose: Compose, decay: str) -> None:
    free = agree(compose("task.steps=500", f"optimizer.decay={decay}", "optimizer.lr=1e-4"))
    clipped = agree(compose("task.steps=500", f"optimizer.decay={decay}", "optimizer.lr=1e-4", "optimizer.clip=0.3"))
    assert clipped[-1]["theta"] != free[-1]["theta"]


def test_divergence(compose: Compose) -> None:
    common = ["method=tbptt", "method.length=10", "task.steps=3000", "task.divergence=1e6", "optimizer.lr=1"]
    for engine in ("plain", "fused"):
        rows, experiment = train(compose(*common), engine)
        assert experiment.trainer.progress.diverged
        assert rows[-1]["step"] < 3000
    agree(compose(*common))


def test_another_optimizer_makes_its_updates_one_by_one_and_equal_to_rounding(compose: Compose) -> None:
    agree(compose("task.steps=400", "optimizer=adam", "optimizer.lr=1e-3"))


def test_auto_takes_the_fast_one_and_fused_is_refused_where_there_is_none(compose: Compose) -> None:
    settings = compose("task.steps=10")
    assert isinstance(Experiment(RunConfig.of(settings)).method, ClosedForm)
    with pytest.raises(UserError, match="engine=fused is not available"):
        Experiment(RunConfig.of(compose("task.steps=10", "engine=fused", "precision=float32")))
    with pytest.raises(UserError, match="engine=fussed is not known"):
        Experiment(RunConfig.of(settings | {"engine": "fussed"}))
