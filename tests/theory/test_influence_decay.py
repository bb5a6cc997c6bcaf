"""The decay of influence at long lags, and the mean length that a constant hazard needs for it."""

import numpy as np
import pandas as pd
import pytest

from artbp_exp.theory.influence_decay import fit_decay, least_length


def falling(ratio: float) -> pd.DataFrame:
    lags = np.arange(201)
    return pd.DataFrame({"lag": lags, "influence": 0.1 * ratio**lags + 5 * 0.5**lags})


def test_the_decay_of_an_exponential_is_its_ratio() -> None:
    found = fit_decay(falling(0.99))
    assert found is not None
    assert (found.first, found.last) == (100, 200)
    assert found.steepest == pytest.approx(found.ratio) == pytest.approx(0.99)
    assert found.flattest == pytest.approx(0.99)
    assert found.level == pytest.approx(0.1 * 0.99**100)
    # r² = 1 − 1/L0 at the least length
    assert 1 - 1 / least_length(0.99) == pytest.approx(0.99**2)
    assert least_length(1.0) == float("inf")
    assert fit_decay(falling(0.99)[:10]) is None


def test_the_fit_stops_where_influence_has_died_out() -> None:
    falls = falling(0.99)
    falls.loc[101:, "influence"] = 0.0
    found = fit_decay(falls)
    assert found is not None
    assert (found.first, found.last) == (50, 100)
