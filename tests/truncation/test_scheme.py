"""What holds of every scheme: probabilities, tables, draws."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from artbp_exp.truncation import Scheme, Segment, count_cuts, enumerate_cuts
from tests.schemes import ALL, build_scheme, label

every_scheme = pytest.mark.parametrize("settings", ALL, ids=label)
means = st.floats(1, 500)
exponents = st.floats(2.01, 50)


def by_bits(scheme: Scheme, steps: int) -> dict[tuple[int, ...], float]:
    """Every way to cut that can happen: after each step a cut or none, written down as the bits of a number."""
    usual, first = (s.hazard(np.arange(1, steps + 1)) for s in (scheme, scheme.first or scheme))
    found = {}
    for bits in range(2 ** (steps - 1)):
        probability, lengths, lag = 1.0, [], 0
        for step in range(steps - 1):
            lag += 1
            cut, hazard = bits >> step & 1, usual if lengths else first
            probability *= hazard[lag - 1] if cut else 1 - hazard[lag - 1]
            if cut:
                lengths.append(lag)
                lag = 0
        if probability > 0:
            found[*lengths, lag + 1] = probability
    return found


UNEVEN = Scheme(
    name="uneven", length=None, hazard=lambda lag: np.where(lag % 3 == 0, 1.0, np.where(lag == 1, 0.3, 0.0))
)


@pytest.mark.parametrize("settings", [*ALL, None], ids=lambda settings: label(settings) if settings else "uneven")
@pytest.mark.parametrize("steps", [1, 2, 3, 8])
def test_the_ways_to_cut_are_those_that_can_happen(settings: dict[str, Any] | None, steps: int) -> None:
    scheme = UNEVEN if settings is None else build_scheme(settings)
    patterns = list(enumerate_cuts(scheme, steps))
    wanted = by_bits(scheme, steps)
    assert dict(patterns) == pytest.approx(wanted, rel=1e-14)
    assert sum(p for _, p in patterns) == pytest.approx(1, rel=1e-14)
    counts = count_cuts(scheme, steps)
    assert counts[-1] == len(patterns) == len(wanted)
    assert len(counts) == steps
    assert count_cuts(scheme, steps, most=1)[-1] == next((count for count in counts if count > 1), counts[-1])


@every_scheme
def test_hazards_are_probabilities_and_survival_is_their_product(settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    hazard = scheme.hazard(np.arange(1, 301))
    assert hazard.shape == (300,)
    assert hazard.dtype == np.float64
    assert ((hazard >= 0) & (hazard <= 1)).all()
    survival = 1.0
    for lag in range(301):
        assert scheme.survival(300)[lag] == pytest.approx(survival, rel=1e-12)
        survival *= 1 - hazard[lag] if lag < 300 else 1


@every_scheme
def test_factors_are_those_of_the_step_that_was_not_cut(settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    hazard = scheme.hazard(np.arange(1, 31))
    for lag, factor in enumerate(scheme.factors(30)):
        certain = hazard[lag] == 1 or not scheme.reweight
        assert factor == pytest.approx(1.0 if certain else 1 / (1 - hazard[lag]), rel=1e-15)


@every_scheme
def test_a_segment_has_one_factor_fewer_than_steps_and_ask_order_does_not_matter(settings: dict[str, Any]) -> None:
    scheme, fresh = build_scheme(settings), build_scheme(settings)
    long = scheme.segment(1000)
    assert long.length == 1000
    assert long.factors.shape == (999,)
    assert scheme.segment(1).factors.shape == (0,)
    for length in (1, 2, 65, 130, 1000):
        np.testing.assert_array_equal(fresh.segment(length).factors, long.factors[: length - 1])


@every_scheme
def test_a_draw_takes_one_random_number_whatever_the_limit(settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    for limit in (1, 2, 63, 64, 65, 10_000):
        rng, other = np.random.default_rng(5), np.random.default_rng(5)
        length = scheme.draw(rng, limit)
        other.random()
        assert 1 <= length <= limit
        assert rng.bit_generator.state == other.bit_generator.state


@every_scheme
def test_the_limit_only_cuts_off(settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    for seed in range(200):
        free = scheme.draw(np.random.default_rng(seed), 5000)
        for limit in (1, 3, 64, 100):
            assert scheme.draw(np.random.default_rng(seed), limit) == min(free, limit)


@pytest.mark.filterwarnings("ignore:artbp with .* ends every segment")
@effort(deadline=None, max_examples=60, derandomize=True)
@given(mean=means, alpha=exponents, seed=st.integers(0, 10**6), limit=st.integers(1, 3000))
def test_a_draw_inverts_the_survival(mean: float, alpha: float, seed: int, limit: int) -> None:
    scheme = build_scheme({"name": "artbp", "length": mean, "alpha": alpha})
    length = scheme.draw(np.random.default_rng(seed), limit)
    level = 1 - np.random.default_rng(seed).random()
    survival = scheme.survival(limit)
    assert survival[length - 1] >= level
    assert length == limit or survival[length] < level


def test_truncated_segments_all_have_the_same_length() -> None:
    rng = np.random.default_rng(0)
    for length in (1, 2, 50, 64, 65, 200):
        scheme = build_scheme({"name": "tbptt", "length": length})
        assert {scheme.draw(rng, 10**6) for _ in range(50)} == {length}


def test_full_backpropagation_takes_all_there_is() -> None:
    assert build_scheme({"name": "bptt"}).draw(np.random.default_rng(0), 12345) == 12345


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_hazard_that_is_no_probability_is_refused(value: float) -> None:
    scheme = Scheme(name="odd", length=None, hazard=lambda lag: np.full(lag.shape, value))
    with pytest.raises(ValueError, match="hazard of odd"):
        scheme.factors(3)


def test_a_part_of_a_segment_says_that_it_is_one() -> None:
    segment = Segment(length=3, factors=np.ones(2), memory=2)
    assert segment.part(0, 2).memory == 2
    assert segment.part(0, 3).memory is None
