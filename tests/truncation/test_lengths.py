"""Schemes made from a distribution of lengths, and a first segment that differs from the others."""

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare, norm

from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme, awd, count_cuts, enumerate_cuts, tbptt, uniform
from artbp_exp.truncation.lengths import from_lengths


def probabilities(scheme: Scheme, longest: int) -> np.ndarray:
    """P(length = n) for n = 1 … `longest`, from the survival."""
    return -np.diff(scheme.survival(longest))


@pytest.mark.parametrize("chances", [[1.0], [0.5, 0.5], [0, 0, 0.2, 0.3, 0.5], [0.25, 0, 0.75, 0], [1e-15, 1 - 1e-15]])
def test_lengths_have_the_probabilities_asked_for(chances: list[float]) -> None:
    scheme = from_lengths(chances, name="own")
    np.testing.assert_allclose(probabilities(scheme, len(chances)), chances, atol=1e-15)
    assert scheme.length == pytest.approx(np.dot(chances, np.arange(1, len(chances) + 1)))
    assert (scheme.hazard(np.arange(1, 100))[int(np.flatnonzero(chances)[-1]) :] == 1).all()


@pytest.mark.parametrize("wrong", [[], [0.5, 0.4], [1.5, -0.5], [[1.0]], [math.nan]])
def test_what_is_no_distribution_is_refused(wrong: Any) -> None:
    with pytest.raises(UserError, match="must be ≥ 0 and sum to 1"):
        from_lengths(wrong, name="own")


def test_reweighting_compensates_all_cuts_but_the_certain_one() -> None:
    scheme = from_lengths([0.2, 0.3, 0.5], name="own", reweight=True)
    np.testing.assert_allclose(scheme.factors(2), [1 / 0.8, 0.8 / 0.5])
    assert (from_lengths([0.2, 0.3, 0.5], name="own").factors(2) == 1).all()


@pytest.mark.parametrize(
    ("length", "spread", "low", "high"), [(1, 0.5, 1, 1), (3, 0, 3, 3), (4, 0.9, 1, 7), (50, 0.5, 25, 75)]
)
def test_uniform_lengths(length: int, spread: float, low: int, high: int) -> None:
    scheme = uniform.build(length=length, spread=spread)
    wanted = np.where(np.arange(1, high + 1) >= low, 1 / (high - low + 1), 0)
    np.testing.assert_allclose(probabilities(scheme, high), wanted, atol=1e-14)
    rng = np.random.default_rng(0)
    lengths = [scheme.draw(rng, 10**6) for _ in range(2000)]
    assert (min(lengths), max(lengths)) == (low, high)
    assert scheme.length == pytest.approx(length)


@pytest.mark.parametrize("settings", [{"length": 50}, {"length": 20, "full": 0.5}, {"length": 6, "deviation": 3.0}])
def test_awd_lengths_are_a_floored_normal(settings: dict[str, Any]) -> None:
    scheme = awd.build(**settings)
    full, deviation = settings.get("full", 0.95), settings.get("deviation", 5.0)
    rng = np.random.default_rng(1)
    draws = 50_000
    # the published code, drawn at random: an independent oracle
    base = np.where(rng.random(draws) < full, settings["length"], settings["length"] / 2)
    wanted = np.maximum(5, rng.normal(base, deviation).astype(int))
    bins = int(wanted.max()) + 1
    found = draws * probabilities(scheme, bins)
    drawn = np.bincount(wanted, minlength=bins + 1)[1:]
    enough = found >= 10
    observed = np.append(drawn[enough], drawn[~enough].sum())
    expected = np.append(found[enough], draws - found[enough].sum())
    assert chisquare(observed, expected).pvalue > 1e-3
    assert scheme.length == pytest.approx(wanted.mean(), rel=0.01)
    assert not probabilities(scheme, 4).any()


def test_awd_tail_is_that_of_the_normal_distribution() -> None:
    scheme = awd.build(length=50, full=1.0)
    # hazards far out, where 1 − P(length < n) has no digits left
    assert scheme.hazard(np.array([80]))[0] == pytest.approx(1 - norm.sf(31 / 5) / norm.sf(30 / 5), rel=1e-9)


def test_a_random_phase_is_uniform_and_the_other_segments_are_of_full_length() -> None:
    scheme = tbptt.build(length=5, phase="random")
    rng = np.random.default_rng(0)
    firsts = []
    for _ in range(5000):
        segments = list(scheme.segments(23, rng))
        lengths = [segment.length for _, segment in segments]
        assert [start for start, _ in segments] == np.cumsum([0, *lengths[:-1]]).tolist()
        assert set(lengths[1:-1]) <= {5}
        assert all((segment.factors == 1).all() for _, segment in segments)
        firsts.append(lengths[0])
    assert chisquare(np.bincount(firsts, minlength=6)[1:]).pvalue > 1e-3


@pytest.mark.parametrize("steps", [1, 2, 4, 5, 9, 12])
def test_enumeration_knows_the_first_segment(steps: int) -> None:
    scheme = tbptt.build(length=5, phase="random")
    found = dict(enumerate_cuts(scheme, steps))
    wanted: dict[tuple[int, ...], float] = {}
    for first in range(1, 6):
        lengths = [min(first, steps)]
        while sum(lengths) < steps:
            lengths.append(min(5, steps - sum(lengths)))
        wanted[tuple(lengths)] = wanted.get(tuple(lengths), 0.0) + 0.2
    assert found == pytest.approx(wanted, rel=1e-12)
    assert count_cuts(scheme, steps)[-1] == len(found)


def test_a_pass_that_is_continued_has_had_its_first_segment() -> None:
    scheme, rng = tbptt.build(length=5, phase="random"), np.random.default_rng(3)
    whole = [(start, segment.length) for start, segment in scheme.segments(40, np.random.default_rng(3))]
    first, segment = next(scheme.segments(40, rng))
    rest = [(start, s.length) for start, s in scheme.segments(40, rng, start=segment.length)]
    assert [(first, segment.length), *rest] == whole
    assert list(scheme.segments(40, rng, start=40)) == []


@pytest.mark.parametrize(
    ("build", "wrong", "says"),
    [
        (tbptt.build, {"length": 5, "phase": "radnom"}, "^phase=radnom is not known; did you mean random"),
        (uniform.build, {"length": 5, "spread": 1}, "^spread must be at least 0 and below 1; got 1"),
        (uniform.build, {"length": 0}, "^length"),
        (uniform.build, {"length": 4, "reweight": 1}, "^reweight must be true or false"),
        (awd.build, {"length": 5, "full": 1.1}, "^full must be a probability, from 0 to 1; got 1.1"),
        (awd.build, {"length": 5, "deviation": 0}, "^deviation"),
        (awd.build, {"length": 5, "memory": 0}, "^memory"),
    ],
)
def test_bad_settings_are_refused(build: Any, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError, match=says):
        build(**wrong)
