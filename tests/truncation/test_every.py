"""Cuts only every k steps."""

import numpy as np
import pytest

from artbp_exp.errors import UserError
from artbp_exp.truncation import artbp


@pytest.mark.parametrize("schedule", ["paper", "constant"])
@pytest.mark.parametrize("every", [2, 5, 10])
def test_cuts_fall_on_the_grid_and_the_mean_length_stays(schedule: str, every: int) -> None:
    scheme = artbp.build(length=20, alpha=6, schedule=schedule, every=every)
    lags = np.arange(1, 201)
    hazard = scheme.hazard(lags)
    assert (hazard[lags % every != 0] == 0).all()
    assert (hazard[lags % every == 0] > 0).all()
    # E[N] = Σ_n P(N > n); the paper's tail falls as n^−5
    assert scheme.survival(200_000).sum() == pytest.approx(20, rel=1e-6)


def test_every_step_is_the_scheme_without_a_grid() -> None:
    lags = np.arange(1, 100)
    np.testing.assert_array_equal(
        artbp.build(length=20, alpha=4, every=1).hazard(lags), artbp.build(length=20, alpha=4).hazard(lags)
    )


def test_drawn_lengths_are_multiples() -> None:
    scheme = artbp.build(length=30, alpha=4, every=10)
    rng = np.random.default_rng(0)
    lengths = {scheme.draw(rng, 10_000) for _ in range(2000)}
    assert len(lengths) > 5
    assert all(length % 10 == 0 for length in lengths)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"every": 1.5}, {"every": 21}, {"memory": 0}, {"memory": 2.5}])
def test_wrong_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(UserError, match=r"^(every|memory|length) must be"):
        artbp.build(length=20, alpha=4, **wrong)
