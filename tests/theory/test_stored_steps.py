"""The mean memory is exact: against sums over lengths, against drawn ones, and near α = 3, where it has no bound."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.theory.stored_steps import length_for_stored_steps, mean_stored_steps, stored_steps_within
from artbp_exp.truncation import Scheme, enumerate_cuts

PAPER: dict[str, Any] = {"name": "artbp", "length": 50, "alpha": 4}
CONSTANT: dict[str, Any] = {"name": "artbp", "length": 50, "schedule": "constant"}


def of(method: dict[str, Any], **changed: Any) -> float:
    return mean_stored_steps(registry.build("method", {**method, **changed}))


def length_for(method: dict[str, Any], stored: float) -> float:
    return length_for_stored_steps(
        lambda length: registry.build("method", {**method, "length": length}), stored, shortest=method.get("every", 1)
    )


def summed(scheme: Scheme, lags: int = 300_000) -> float:
    """Σ P(N = n)·n(n − 1)/2 over Σ P(N = n)·n, of all lengths up to `lags`."""
    length = np.arange(1, lags + 1)
    chance = scheme.survival(lags)[:-1] * scheme.hazard(length)
    return float(chance @ (length * (length - 1.0) / 2) / (chance @ length))


@pytest.mark.parametrize(
    ("alpha", "stored"), [(3.5, 147), (3.05, 1029), (3.02, 2499), (3.01, 4949), (3.005, 9849), (6, 196 / 3)]
)
def test_it_is_exact_however_slowly_the_tail_falls(alpha: float, stored: float) -> None:
    assert of(PAPER, alpha=alpha) == pytest.approx(stored, rel=1e-9)


@pytest.mark.parametrize("alpha", [3, 2.9, 2.05])
def test_it_is_infinite_where_the_lengths_have_no_variance(alpha: float) -> None:
    assert of(PAPER, alpha=alpha) == float("inf")


@pytest.mark.filterwarnings("ignore:artbp with .* ends every segment")
@pytest.mark.parametrize("every", [1, 2, 5, 16])
@pytest.mark.parametrize("method", [{**PAPER, "alpha": 6}, CONSTANT], ids=["paper", "constant"])
@pytest.mark.parametrize("length", [16, 50])
def test_it_is_the_sum_over_all_lengths(method: dict[str, Any], length: int, every: int) -> None:
    scheme = registry.build("method", {**method, "length": length, "every": every})
    assert mean_stored_steps(scheme) == pytest.approx(summed(scheme), rel=1e-8)


@pytest.mark.parametrize("every", [1, 10])
def test_it_is_that_of_drawn_lengths(every: int) -> None:
    scheme = registry.build("method", {**PAPER, "length": 20, "alpha": 8, "every": every})
    rng = np.random.default_rng(0)
    drawn = np.array([scheme.draw(rng, 10**6) for _ in range(40_000)])
    assert (drawn * (drawn - 1) / 2).sum() / drawn.sum() == pytest.approx(mean_stored_steps(scheme), rel=0.03)


@pytest.mark.filterwarnings("ignore:artbp with .* ends every segment")
@pytest.mark.parametrize("method", [{**PAPER, "alpha": 3.3}, CONSTANT], ids=["paper", "constant"])
def test_lengths_near_one_are_not_clipped_but_certain_at_one(method: dict[str, Any]) -> None:
    assert of(method, length=1) == 0
    ratio = 1.3 / 0.3 if "alpha" in method else 1.0
    assert of(method, length=1.01) == pytest.approx(0.01 * ratio, rel=1e-6)
    # all segments are of five steps
    assert of(method, length=5, every=5) == 2


@pytest.mark.parametrize("length", [1, 50, 100_000, 2 * 10**9 + 1])
def test_truncation_stores_half_its_length(length: int) -> None:
    assert of({"name": "tbptt"}, length=length) == (length - 1) / 2


def test_nothing_bounds_the_memory_without_cuts() -> None:
    assert of({"name": "bptt"}) == float("inf")
    stops = Scheme(name="stops", length=5, hazard=lambda lag: np.where(lag < 40, 0.2, 0.0))
    assert mean_stored_steps(stops) == float("inf")


def test_any_hazard_may_begin_as_it_likes() -> None:
    def hazard(lag: np.ndarray) -> np.ndarray:
        return np.where(lag < 30, 0.3 * np.cos(lag) ** 2, 5 / (40 + lag))

    scheme = Scheme(name="odd", length=9, hazard=hazard)
    assert mean_stored_steps(scheme) == pytest.approx(summed(scheme), rel=1e-8)
    # it rises until it cuts for certain
    rising = Scheme(name="rising", length=9, hazard=lambda lag: np.minimum(1.0, lag / 20))
    assert mean_stored_steps(rising) == pytest.approx(summed(rising, 100), rel=1e-12)


@pytest.mark.parametrize(
    ("method", "length"),
    [
        (PAPER, 26),
        ({**PAPER, "alpha": 3.02}, 1 + 50 * 0.02 / 1.02),
        ({**PAPER, "every": 5}, 5 * (1 + (50 - 2) / 5 / 2)),
        (CONSTANT, 51),
        ({**CONSTANT, "every": 5}, 53),
    ],
)
def test_a_length_is_found_for_a_memory(method: dict[str, Any], length: float) -> None:
    found = length_for(method, 50)
    assert found == pytest.approx(length, rel=1e-5)
    assert of(method, length=found) == pytest.approx(50, rel=1e-3)


@pytest.mark.parametrize("method", [{**PAPER, "alpha": 3}, {**PAPER, "every": 200}])
def test_no_length_for_a_memory_is_one_line(method: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="no mean length gives"):
        length_for(method, 20)


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "artbp", "length": 3, "alpha": 4},
        {"name": "artbp", "length": 3, "alpha": 4, "memory": 2},
        {"name": "tbptt", "length": 3},
        {"name": "tbptt", "length": 3, "phase": "random"},
        {"name": "tbptt", "length": 99},
        {"name": "bptt"},
    ],
)
@pytest.mark.parametrize("steps", [1, 8])
def test_within_a_short_sequence_it_is_the_mean_over_all_ways_to_cut_it(settings: dict[str, Any], steps: int) -> None:
    scheme = registry.build("method", settings)
    kept = sum(
        probability * sum(min(step, scheme.memory or steps) for length in lengths for step in range(length))
        for lengths, probability in enumerate_cuts(scheme, steps)
    )
    assert stored_steps_within(scheme, steps) == pytest.approx(kept / steps, rel=1e-12)


def test_within_a_long_sequence_its_end_matters_little() -> None:
    scheme = registry.build("method", CONSTANT)
    assert stored_steps_within(scheme, 10**6) == pytest.approx(49)
    assert stored_steps_within(scheme, 2_000) == pytest.approx(49, rel=0.03)
    assert stored_steps_within(registry.build("method", {"name": "bptt"}), 10**6) == (10**6 - 1) / 2
