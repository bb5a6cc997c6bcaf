"""Facts about ARTBP's schedules (docs/method.md)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gammaln
from scipy.stats import chisquare

from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme
from artbp_exp.truncation.artbp import LARGEST, build

means = st.floats(1.05, 300)
exponents = st.floats(2.1, 30)


@given(mean=means, alpha=exponents)
@settings(deadline=None, derandomize=True)
def test_hazard_is_the_papers_equation_14(mean: float, alpha: float) -> None:
    found = build(length=mean, alpha=alpha).hazard(np.array([1, 2, 77]))
    for lag, hazard in zip([1, 2, 77], found, strict=True):
        assert hazard == pytest.approx((alpha - 1) / ((alpha - 2) * mean + lag), rel=1e-13)


@given(mean=means, alpha=exponents)
@settings(deadline=None, max_examples=50, derandomize=True)
def test_mean_length_of_the_papers_schedule_is_exactly_its_setting(mean: float, alpha: float) -> None:
    count = 2000
    survival = build(length=mean, alpha=alpha).survival(count)
    # beyond `count` the survivals telescope: their sum is P(length > count)·(count + (α − 2)L0)/(α − 2)
    tail = survival[count] * (count + (alpha - 2) * mean) / (alpha - 2)
    assert survival[:count].sum() + tail == pytest.approx(mean, rel=1e-9)


@given(mean=means, alpha=exponents)
@settings(deadline=None, max_examples=50, derandomize=True)
def test_survival_of_the_papers_schedule_in_closed_form(mean: float, alpha: float) -> None:
    n, offset = 1000, (alpha - 2) * mean
    low, high = offset + 1 - (alpha - 1), offset + 1
    closed = np.exp(gammaln(n + low) - gammaln(low) - gammaln(n + high) + gammaln(high))
    assert build(length=mean, alpha=alpha).survival(n)[n] == pytest.approx(closed, rel=1e-6)


@pytest.mark.parametrize("alpha", [2.5, 4, 6])
def test_the_tail_falls_with_the_exponent_less_one(alpha: float) -> None:
    survival = build(length=16, alpha=alpha).survival(400_000)
    slope = np.log(survival[400_000] / survival[100_000]) / np.log(4)
    assert slope == pytest.approx(-(alpha - 1), rel=1e-2)


@given(mean=means)
@settings(deadline=None, derandomize=True)
def test_mean_length_of_a_constant_hazard_is_its_inverse(mean: float) -> None:
    scheme = build(length=mean, schedule="constant")
    assert scheme.survival(40_000).sum() == pytest.approx(mean, rel=1e-9)
    np.testing.assert_allclose(scheme.hazard(np.arange(1, 50)), 1 / mean, rtol=1e-15)


def test_a_large_exponent_tends_to_the_constant_hazard() -> None:
    lags = np.arange(1, 200)
    constant = build(length=16, schedule="constant").hazard(lags)
    gaps = [abs(build(length=16, alpha=alpha).hazard(lags) - constant).max() for alpha in (10, 100, 1e4, LARGEST)]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[-1] < 1e-5


@pytest.mark.parametrize("schedule", [{"alpha": 4}, {"alpha": 2.5}, {"schedule": "constant"}])
def test_a_mean_of_one_always_cuts(schedule: dict) -> None:
    with pytest.warns(
        UserWarning, match="^artbp with length=1 ends every segment .* take a greater length, above every$"
    ):
        scheme = build(length=1, **schedule)
    rng = np.random.default_rng(0)
    assert {scheme.draw(rng, 1000) for _ in range(200)} == {1}
    assert np.isfinite(scheme.factors(10)).all()


@pytest.mark.parametrize("schedule", [{"alpha": 4}, {"alpha": 6}, {"schedule": "constant"}])
@pytest.mark.parametrize("length", [2.5, 16])
def test_drawn_lengths_have_the_distribution_of_the_hazard(length: float, schedule: dict) -> None:
    draws, bins = 20_000, 40
    scheme, rng = build(length=length, **schedule), np.random.default_rng(1)
    lengths = np.array([scheme.draw(rng, 10**6) for _ in range(draws)])
    survival = scheme.survival(bins)
    wanted = draws * np.append(-np.diff(survival), survival[-1])
    found = np.bincount(np.minimum(lengths, bins + 1), minlength=bins + 2)[1:]
    enough = wanted >= 5
    wanted = np.append(wanted[enough], wanted[~enough].sum())
    found = np.append(found[enough], found[~enough].sum())
    assert chisquare(found[wanted > 0], wanted[wanted > 0]).pvalue > 1e-3


def test_without_reweighting_the_cuts_are_the_same_and_the_factors_one() -> None:
    with_factors, without = build(length=5, alpha=4), build(length=5, alpha=4, reweight=False)

    def lengths(scheme: Scheme) -> list[int]:
        rng = np.random.default_rng(3)
        return [scheme.draw(rng, 1000) for _ in range(100)]

    assert lengths(with_factors) == lengths(without)
    assert (without.factors(50) == 1).all()
    assert (with_factors.factors(50) > 1).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"length": 0.5, "alpha": 4}, "^length must be a number ≥ 1; got 0.5"),
        ({"length": True, "alpha": 4}, "^length"),
        ({"length": float("inf"), "alpha": 4}, "^length"),
        ({"length": "abc", "alpha": 4}, "got 'abc'"),
        ({"length": 5, "alpha": 2}, "^alpha must be > 2"),
        ({"length": 5}, "^alpha"),
        ({"length": 5, "schedule": "papr", "alpha": 4}, "did you mean paper"),
        ({"length": 5, "alpha": 4, "reweight": "no"}, "^reweight must be true or false"),
    ],
)
def test_bad_settings_are_refused_by_name(wrong: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**wrong)


def test_the_constant_schedule_needs_no_exponent() -> None:
    assert build(length=5, schedule="constant", alpha=None).length == 5
