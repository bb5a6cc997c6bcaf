"""The error of a sum over places is neither far too small nor far too large, be they smooth, rough or both."""

from collections.abc import Callable

import numpy as np
import pytest

from artbp_exp.theory.places import Places

STEPS = 402
Values = Callable[[np.ndarray], np.ndarray]


def smooth(at: np.ndarray) -> np.ndarray:
    """Rises quickly, then stays, and falls at the end: as segments do that the data end."""
    return (1 - 0.8 * np.exp(-at / 20)) * np.minimum(1.0, (STEPS - at) / 150)


def rough(at: np.ndarray) -> np.ndarray:
    """Another at every place, heavy-tailed as on text."""
    return np.random.default_rng(0).exponential(size=STEPS)[at]


@pytest.mark.parametrize("noise", [0.0, 0.05])
@pytest.mark.parametrize("others", [20, 100])
@pytest.mark.parametrize(
    "values", [smooth, rough, lambda at: smooth(at) * (0.5 + rough(at))], ids=["smooth", "rough", "both"]
)
def test_the_error_is_that_of_the_sum(values: Values, others: int, noise: float) -> None:
    places = Places(steps=STEPS, firsts=2, others=others)
    exact = values(np.arange(STEPS - 1)).sum()
    rng = np.random.default_rng(1)
    off, errors = [], []
    for _ in range(400):
        at = places.drawn(rng)
        found = values(at) * (1 + noise * rng.normal(size=at.size))
        off.append(places.total(found) - exact)
        errors.append(places.error(found))
    z = np.array(off) / errors
    assert np.mean(off) == pytest.approx(0, abs=4 * np.std(off) / 20)
    # below 1 where all is smooth: at the ends a slope counts as an error
    assert 0.5 < np.std(z) < 1.2
    assert 0.92 < np.mean(np.abs(z) < 1.96) < 1


def test_smooth_sums_are_far_better_than_as_many_places_drawn_anywhere() -> None:
    places = Places(steps=STEPS, firsts=2, others=30)
    found = smooth(places.drawn(np.random.default_rng(0)))
    anywhere = (STEPS - 2) * found[2:].std(ddof=1) / np.sqrt(30)
    assert places.error(found) < anywhere / 8


@pytest.mark.parametrize("others", [2, 3])
def test_of_a_few_places_little_is_known(others: int) -> None:
    places = Places(steps=STEPS, firsts=2, others=others)
    at = places.drawn(np.random.default_rng(0))
    assert at[:2].tolist() == [0, 0]
    assert (np.diff(at[1:]) > 0).all()
    assert places.error(rough(at)) > 0.2 * places.total(rough(at))
    assert places.error(np.zeros(at.size)) == 0
