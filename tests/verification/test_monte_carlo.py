"""Drawn cuts: the mean over them is within its intervals of the full gradient where it should be."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from artbp_exp.errors import UserError
from artbp_exp.verification.monte_carlo import Interval, monte_carlo, variance_of_one
from artbp_exp.verification.small import small, small_task

ARTBP = {"name": "artbp", "length": 4, "alpha": 6}


def intervals(settings: dict[str, Any], *, model: str = "rnn", draws: int = 60, mutant: str = "") -> list[Interval]:
    subject = small(settings, *small_task(model, 16), engine="plain", mutant=mutant)
    return monte_carlo(subject, cuts=np.random.default_rng(3), draws=draws)


@pytest.mark.parametrize("model", ["rnn", "linear"])
def test_an_unbiased_method_is_within_its_intervals(model: str) -> None:
    found = intervals(ARTBP, model=model)
    assert all(interval.holds for interval in found)
    assert all(interval.low < interval.high for interval in found)
    assert {interval.direction for interval in found} == {"along g", "along the estimated bias"}


def test_full_bptt_is_exact_to_rounding() -> None:
    assert all(interval.holds and abs(interval.bias) < 1e-12 for interval in intervals({"name": "bptt"}, draws=8))


def test_truncated_bptt_is_missed_whatever_the_noise() -> None:
    assert not all(interval.holds for interval in intervals({"name": "tbptt", "length": 2}, draws=8))


def test_a_mutant_is_found_out_by_sampling_too() -> None:
    assert not all(interval.holds for interval in intervals(ARTBP, mutant="division by the actual length"))


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(UserError, match=r"draws must be a whole number ≥ 8; got 4"):
        intervals({"name": "bptt"}, draws=4)


def test_a_bias_beyond_the_exact_variance_is_refuted_by_draws() -> None:
    """Half the gradient is missing, and no cut explains it: 30 exact standard errors are less than that."""
    settings = ARTBP | {"length": 12}
    subject = small(settings, *small_task("rnn", 16), mutant="division by the actual length")
    variance = variance_of_one(subject, 4000)
    found = monte_carlo(subject, cuts=np.random.default_rng(0), draws=600, variance=variance)
    assert any(interval.impossible for interval in found)
    assert not any(replace(interval, bias=0.0, low=-1.0, high=1.0).impossible for interval in found)


def test_half_the_width_of_an_interval_is_what_may_pass_unseen() -> None:
    assert Interval(parameter="w", direction="", bias=0.01, low=-0.02, high=0.04, draws=40).half_width == 0.03
