"""Facts about schemes: probabilities, means, tails, draws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import METHODS
from scipy import stats

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.truncation import enumerate_cuts


def paper(length, alpha, **more):
    return registry.build("method", {"name": "artbp", "length": length, "alpha": alpha, **more})


@pytest.mark.parametrize("method", METHODS)
def test_probabilities_of_all_patterns_sum_to_one(method):
    scheme = registry.build("method", METHODS[method])
    patterns = list(enumerate_cuts(scheme, 9))
    assert len(patterns) == 2**8
    assert all(sum(lengths) == 9 for lengths, _ in patterns)
    assert sum(p for _, p in patterns) == pytest.approx(1, abs=1e-14)


@given(st.floats(1, 500), st.floats(2.01, 50))
def test_hazard_is_a_probability_and_survival_its_product(length, alpha):
    scheme = paper(length, alpha)
    hazard = scheme.hazard(np.arange(1, 301))
    assert ((hazard > 0) & (hazard <= 1)).all()
    assert scheme.survival(300) == pytest.approx(np.concatenate([[1], np.cumprod(1 - hazard)]), abs=1e-300)


@pytest.mark.parametrize(("length", "alpha"), [(1, 6), (2.5, 6), (16, 6), (50, 5), (50, 12)])
def test_mean_length_of_the_papers_schedule_is_exactly_its_length(length, alpha):
    # Σ_{n ≤ N} P(length > n) telescopes: with S(n) ((α−2)L0 + n + 1) falling by (α−2) S(n) each step, what is
    # left after N is S(N) ((α−2)L0 + N) / (α−2)
    steps = 20_000
    survival = paper(length, alpha).survival(steps)
    tail = survival[steps] * ((alpha - 2) * length + steps) / (alpha - 2)
    assert survival[:steps].sum() + tail == pytest.approx(length, rel=1e-12)


def test_mean_length_of_a_constant_hazard():
    scheme = registry.build("method", {"name": "artbp", "length": 16, "schedule": "constant"})
    assert scheme.survival(2000).sum() == pytest.approx(16, rel=1e-12)


@pytest.mark.parametrize("alpha", [3, 4, 6])
def test_survival_falls_as_a_power_law(alpha):
    survival = paper(10, alpha).survival(200_000)
    slope = np.log(survival[200_000] / survival[100_000]) / np.log(2)
    assert slope == pytest.approx(-(alpha - 1), rel=1e-3)


def test_large_alpha_tends_to_the_constant_hazard():
    lags = np.arange(1, 100)
    constant = registry.build("method", {"name": "artbp", "length": 16, "schedule": "constant"})
    assert paper(16, 1e9).hazard(lags) == pytest.approx(constant.hazard(lags), rel=1e-6)


def test_factors_compensate_exactly_what_survival_loses():
    scheme = paper(16, 4)
    assert np.prod(scheme.factors(200)) * scheme.survival(200)[200] == pytest.approx(1, rel=1e-12)
    assert (paper(16, 4, reweight=False).factors(200) == 1).all()


@pytest.mark.parametrize("settings", [{"length": 5, "alpha": 4}, {"length": 5, "schedule": "constant"}])
def test_draws_follow_the_distribution(settings):
    scheme = registry.build("method", {"name": "artbp", **settings})
    rng = np.random.default_rng(1)
    draws = np.array([scheme.draw(rng, 10**6) for _ in range(20_000)])
    edges = np.arange(1, 16)
    seen = np.append([np.sum(draws == n) for n in edges], np.sum(draws > 15))
    survival = scheme.survival(15)
    expected = np.append(survival[:-1] - survival[1:], survival[15]) * draws.size
    assert stats.chisquare(seen, expected).pvalue > 1e-3


@given(st.integers(1, 400), st.integers(0, 2**32))
def test_a_draw_takes_one_number_and_respects_the_limit(limit, seed):
    scheme = paper(20, 4)
    limited, free, plain = (np.random.default_rng(seed) for _ in range(3))
    unlimited = scheme.draw(free, 10**5)
    assert scheme.draw(limited, limit) == min(unlimited, limit)
    plain.random()
    assert limited.random() == free.random() == plain.random()


def test_regular_cuts():
    rng = np.random.default_rng(0)
    tbptt = registry.build("method", {"name": "tbptt", "length": 7})
    assert [tbptt.draw(rng, 100) for _ in range(5)] == [7] * 5
    assert tbptt.draw(rng, 4) == 4
    assert registry.build("method", {"name": "bptt"}).draw(rng, 123) == 123
    assert paper(1, 6).draw(rng, 100) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "tbptt", "length": 0},
        {"name": "tbptt", "length": 2.5},
        {"name": "artbp", "length": -1, "alpha": 4},
        {"name": "artbp", "length": "x", "alpha": 4},
        {"name": "artbp", "length": 5, "alpha": 2},
        {"name": "artbp", "length": 5, "alpha": None},
        {"name": "artbp", "length": float("nan"), "alpha": 4},
        {"name": "artbp", "length": 5, "alpha": 4, "schedule": "papr"},
        {"name": "artbp", "length": True, "alpha": 4},
        {"name": "tbppt", "length": 5},
        {"name": "tbptt", "lenght": 5},
    ],
)
def test_bad_settings_are_refused_with_the_value(settings):
    with pytest.raises(UserError):
        registry.build("method", settings)
