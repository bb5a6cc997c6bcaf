"""Recall: the data are as described, and both levels are reached by those who should reach them."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.tasks.losses import MISSING
from artbp_exp.tasks.recall import build, draw


@pytest.mark.parametrize("lag", [1, 4])
def test_the_target_at_a_query_is_the_sign_at_its_cue(lag: int) -> None:
    inputs, targets = draw(np.random.default_rng(0), 200, 50, lag=lag)
    assert inputs.shape == (200, 50, 3)
    assert set(np.unique(inputs[..., 0])) == {-1, 1}
    for stream in range(50):
        noise, cue, query = inputs[:, stream].T
        cues, queries = np.flatnonzero(cue), np.flatnonzero(query)
        assert (queries - cues[: queries.size] == lag).all()
        assert set(np.diff(cues) - lag - 1) <= {0, 1, 2, 3}
        assert (targets[queries, stream] == (noise[queries - lag] > 0)).all()
        assert set(np.flatnonzero(targets[:, stream] != MISSING)) == set(queries)


def test_cues_fall_on_every_step_and_idle_steps_are_drawn_evenly() -> None:
    inputs, _ = draw(np.random.default_rng(1), 40, 4000, lag=4)
    assert np.abs(inputs[8:, :, 1].mean(1) - 1 / 6.5).max() < 0.03


def test_chance_is_what_even_odds_cost_and_the_floor_what_knowing_costs() -> None:
    task = build(lag=2, steps=400, batch_size=8)
    _, targets = task.window(0, 400)
    count = int((targets != MISSING).sum())
    even = torch.zeros(400, 8, 2)
    sure = 50.0 * torch.nn.functional.one_hot(targets.clamp_min(0), 2)
    assert task.levels is not None
    assert 8 * task.loss(even, targets).item() / count == pytest.approx(task.levels.chance, rel=1e-6)
    assert 8 * task.loss(sure, targets).item() / count == pytest.approx(task.levels.floor, abs=1e-6)
    assert task.levels.columns(math.log(2) / 4)["score"] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"lag": 0}, "task.lag must be a whole number ≥ 1; got 0"),
        ({"steps": 0}, "task.steps"),
        ({"batch_size": 1.5}, "task.batch_size"),
        ({"rows": 0}, "task.rows"),
    ],
)
def test_bad_settings_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**wrong)
