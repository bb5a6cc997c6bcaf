"""Monte Carlo certification: intervals cover 0 where there is no bias, and miss it where there is."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.methods import segment_method
from artbp_exp.verification.broken import BROKEN
from artbp_exp.verification.everything import small
from artbp_exp.verification.monte_carlo import Interval, monte_carlo
from artbp_exp.verification.probe import Make, Probe


def intervals(
    settings: dict[str, Any], *, model: str = "rnn", draws: int = 60, make: Make = segment_method
) -> list[Interval]:
    built, task = small(model, 16)
    probe = Probe(engine="plain", model=built, task=task, scheme=registry.build("method", settings), make=make)
    return monte_carlo(probe, cuts=np.random.default_rng(3), draws=draws)


@pytest.mark.parametrize("model", ["rnn", "linear"])
def test_an_unbiased_method_is_within_its_intervals(model: str) -> None:
    found = intervals({"name": "artbp", "length": 4, "alpha": 6}, model=model)
    assert all(interval.holds for interval in found)
    assert all(interval.low < interval.high for interval in found)
    assert {interval.direction for interval in found} == {"along g", "along the estimated bias"}


def test_full_bptt_is_exact_to_rounding() -> None:
    assert all(interval.holds and abs(interval.bias) < 1e-12 for interval in intervals({"name": "bptt"}, draws=8))


def test_truncated_bptt_is_missed_whatever_the_noise() -> None:
    assert not all(interval.holds for interval in intervals({"name": "tbptt", "length": 2}, draws=8))


def test_a_broken_learner_is_found_out_by_sampling_too() -> None:
    broken = BROKEN["division by the actual length"]
    assert not all(interval.holds for interval in intervals({"name": "artbp", "length": 4, "alpha": 6}, make=broken))


def test_too_few_draws_are_refused() -> None:
    with pytest.raises(UserError, match=r"draws must be a whole number ≥ 8; got 4"):
        intervals({"name": "bptt"}, draws=4)
