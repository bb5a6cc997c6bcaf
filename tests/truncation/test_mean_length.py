"""The mean length over a run's own data, and the warning near α = 2."""

import numpy as np
import pytest

from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme
from artbp_exp.truncation.artbp import build
from artbp_exp.truncation.bptt import build as bptt
from artbp_exp.truncation.mean_length import mean_within, short_mean_warning
from artbp_exp.truncation.tbptt import build as tbptt


def test_the_error_at_two_says_that_every_segment_would_have_length_one() -> None:
    with pytest.raises(UserError, match=r"got 2\. At 2 the hazard c\(1\) is 1 and every segment has length 1: take 4"):
        build(length=50, alpha=2)
    # its limit from above: c(1) = (α − 1)/((α − 2)·L0 + 1) → 1
    assert build(length=50, alpha=2 + 1e-9).hazard(np.array([1])) == pytest.approx(1.0, abs=1e-6)


def test_it_is_the_mean_of_lengths_drawn_on_data_that_long() -> None:
    scheme = build(length=20, alpha=2.2)
    rng = np.random.default_rng(0)
    drawn = np.array([scheme.draw(rng, 500) for _ in range(40_000)])
    assert mean_within(scheme, 500) == pytest.approx(drawn.mean(), abs=4 * drawn.std() / np.sqrt(drawn.size))


def test_near_two_a_run_is_warned_with_the_mean_that_it_will_see() -> None:
    said = short_mean_warning(build(length=50, alpha=2.01), 80_000)
    assert said is not None
    assert said.startswith("over the 80000 steps of this run a segment has 6.22 steps on average, not method.length=50")


@pytest.mark.parametrize(
    "scheme", [build(length=50, alpha=4), build(length=50, alpha=6), build(length=50, schedule="constant")]
)
@pytest.mark.parametrize("steps", [1, 60, 200, 80_000])
def test_usual_schemes_are_not_warned_of_however_short_the_data(scheme, steps: int) -> None:
    assert short_mean_warning(scheme, steps) is None


@pytest.mark.parametrize("scheme", [tbptt(length=100), bptt(), build(length=1.001, alpha=2.01)])
def test_nothing_is_said_where_no_tail_is(scheme) -> None:
    assert short_mean_warning(scheme, 1000) is None


@pytest.mark.parametrize("scheme", [build(length=50, alpha=4), build(length=50, alpha=2.01), tbptt(length=100)])
def test_a_long_run_makes_no_long_table(scheme: Scheme) -> None:
    """The warning cost gigabytes and half of the run's time at 10⁸ steps."""
    asked = []

    def hazard(lag: np.ndarray) -> np.ndarray:
        asked.append(len(lag))
        return scheme.hazard(lag)

    watched = Scheme(name="watched", length=scheme.length, hazard=hazard)
    assert mean_within(watched, 10**6) == pytest.approx(scheme.survival(10**6 - 1).sum(), rel=1e-12)
    short_mean_warning(watched, 10**6)
    assert max(asked) <= 1 << 16
