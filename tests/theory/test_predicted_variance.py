"""The sampled variance is the exact one on average, and its interval says how far off it may be."""

from functools import cache
from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.diagnosis.run.crossings import crossings as crossings_of
from artbp_exp.theory.exact_variance import Crossings, exact_variance
from artbp_exp.theory.predicted_variance import lag_edges, predicted_variance
from artbp_exp.verification.oracle import full_bptt
from tests.small import small

PAPER: dict[str, Any] = {"name": "artbp", "length": 5, "alpha": 4}
CONSTANT: dict[str, Any] = {"name": "artbp", "length": 5, "schedule": "constant"}


def remembered(crossings: Crossings) -> Crossings:
    """Each pair of places is worked out once, however often it is drawn."""
    each = cache(lambda start, stop: crossings(start, [stop]))

    def squares(start: int, stops: Any) -> Any:
        together, apart = zip(*(each(start, stop) for stop in stops), strict=True)
        return np.concatenate(together), np.concatenate(apart)

    return squares


@pytest.mark.parametrize("model", ["rnn", "linear"])
@pytest.mark.parametrize("method", [PAPER, CONSTANT], ids=["paper", "constant"])
def test_the_sampled_prediction_agrees_with_the_exact_one(model: str, method: dict[str, Any]) -> None:
    built, task = small(model, 24)
    scheme = registry.build("method", method)
    crossings = remembered(crossings_of(built, full_bptt(built, task), scheme, streams=task.batch_size))
    exact = exact_variance(scheme, 24, crossings)
    rng = np.random.default_rng(1)
    found = [
        predicted_variance(scheme, 24, crossings, streams=task.batch_size, starts=12, draws=100, rng=rng)
        for _ in range(40)
    ]
    variances = np.array([one.variance for one in found])
    # it is exact on average, so the mean of forty is within its own error, and each within its own
    assert variances.mean() == pytest.approx(exact, abs=4 * variances.std() / np.sqrt(40))
    z = [(one.variance - exact) / one.error for one in found]
    assert 0.4 < np.std(z) < 1.3
    assert max(np.abs(z)) > 0.8
    assert sum(one.low <= exact <= one.high for one in found) >= 34
    assert all(np.isnan(one.kappa) == (task.batch_size == 1) for one in found)


def test_strata_of_lags_reach_the_ends() -> None:
    assert list(lag_edges(37)[:9]) == [0, 1, 2, 3, 4, 5, 6, 8, 10]
    assert lag_edges(37)[-1] == 37
    assert list(lag_edges(1)) == [0, 1]
