"""What holds of every online estimator: it resumes bit for bit, and refuses what does not fit in one line."""

from collections.abc import Callable
from typing import Any

import pytest

from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig
from artbp_exp.training.experiment import Experiment
from tests.methods.online.tiny import Tiny

Compose = Callable[..., dict[str, Any]]
ESTIMATORS = ["rtrl", "uoro", "snap1", "pes", "pes_analytic"]

every_estimator = pytest.mark.parametrize("name", ESTIMATORS)


def build(compose: Compose, *overrides: str) -> Experiment:
    return Experiment(
        RunConfig.of(compose("task=synthetic", "task.steps=12", "task.size=4", "task.positive=1", *overrides))
    )


def rows(run: Experiment) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.row.items() if "second" not in k} for r in run.train()]


@every_estimator
def test_a_run_is_resumed_bit_for_bit(compose: Compose, name: str) -> None:
    overrides = [f"method={name}", "method.update_every=2"]
    whole = rows(build(compose, *overrides))
    first, second = build(compose, *overrides), build(compose, *overrides)
    head = []
    for record in first.trainer.run(pause=lambda: first.trainer.progress.segments == 2):
        head.append({k: v for k, v in record.row.items() if "second" not in k})
        if first.trainer.progress.segments == 2:
            break
    second.trainer.load_state_dict(first.trainer.state_dict())
    assert head + rows(second) == whole


@every_estimator
def test_what_does_not_fit_is_one_line(compose: Compose, name: str) -> None:
    tiny = Tiny("rnn", steps=2)
    for wrong in (0, 1.5, "often"):
        with pytest.raises(UserError, match=r"method\.update_every must be a whole number ≥ 1; got"):
            tiny.method(name=name, update_every=wrong)
    tiny.carry_state = False
    with pytest.raises(UserError, match=f"method={name} never cuts, so task.carry_state=false has no meaning; take"):
        tiny.method(name=name)
    with pytest.raises(UserError, match=f"method={name} has no engine=fused; take engine=auto"):
        build(compose, f"method={name}", "engine=fused")
