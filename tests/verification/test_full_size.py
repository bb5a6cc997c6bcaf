"""Every lag, and prescribed cuts, at full size: what a short sequence cannot show is found, what is right passes."""

from typing import Any

import pytest

from artbp_exp import registry
from artbp_exp.verification.full_size import (
    MOST,
    Held,
    Lags,
    lag_by_lag,
    lags_of,
    longest,
    patterns_of,
    prescribed,
    window_steps,
)
from artbp_exp.verification.small import small, small_task
from artbp_exp.verification.variants import schemes

PTB = {"name": "artbp", "length": 50, "alpha": 4, "memory": 300}
SYNTHETIC = {"name": "artbp", "length": 16, "alpha": 6, "memory": 300}
FAR = {"name": "artbp", "length": 4, "alpha": 4, "memory": 11}
RANDOM_PHASE = {"name": "tbptt", "length": 3, "phase": "random"}
STEPS = 40


def lags(settings: dict[str, Any]) -> Lags:
    return lag_by_lag(registry.build("method", settings), limit=10_000)


def held(model: str, settings: dict[str, Any]) -> list[Held]:
    return prescribed(small(settings, *small_task(model, STEPS)))


@pytest.mark.parametrize("settings", [*schemes(), PTB, SYNTHETIC, {**PTB, "every": 10}, RANDOM_PHASE], ids=str)
def test_every_method_is_as_its_hazard_says_at_every_lag(settings: dict[str, Any]) -> None:
    found = lags(settings)
    assert found.reason is None
    assert found.factor_error < 1e-12


def test_how_many_lags_are_tried_is_bounded_and_said() -> None:
    def tried(limit: int = 10**6, **settings: Any) -> tuple[int, str]:
        return lags_of(registry.build("method", PTB | settings), limit)

    assert tried()[0] == 1000
    assert tried(length=4)[0] == 350
    assert tried(length=4, memory=900)[0] == 950
    count, why = tried(limit=200)
    assert (count, "the sequence has no more" in why) == (200, True)
    count, why = tried(length=10**6)
    assert (count, f"never more than {MOST}" in why) == (MOST, True)
    count, why = tried(length=8, schedule="constant")
    assert (count, why) == (longest(registry.build("method", PTB | {"length": 8, "schedule": "constant"}), 350), why)
    assert "longer segments are never drawn" in why


@pytest.mark.parametrize("model", registry.names("model"))
@pytest.mark.parametrize("settings", [FAR, *schemes(), RANDOM_PHASE], ids=str)
def test_what_is_shipped_agrees_with_the_recursion_to_rounding(model: str, settings: dict[str, Any]) -> None:
    assert [found.reason for found in held(model, settings) if found.reason is not None] == []


def test_the_patterns_are_no_cut_one_in_the_middle_and_short_and_long() -> None:
    scheme = registry.build("method", PTB)
    assert window_steps(scheme, 10**6, 10**7) == 350
    assert window_steps(scheme, 10**6, 100) == 1000
    assert window_steps(scheme, 60, 100) == 60
    assert patterns_of(scheme, 350, 1000) == [(3, 344, 3), (175, 175), (350,)]
    assert patterns_of(scheme, 350, 10**7) == [(3, 344, 3)]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"name": "bptt"}, [(350,)]),
        ({"name": "tbptt", "length": 100}, [(100, 100, 100, 50)]),
        ({"name": "tbptt", "length": 100, "phase": "random"}, [(3, 100, 100, 100, 47), (100, 100, 100, 50)]),
        ({**PTB, "every": 10}, [(10, 340), (170, 180), (350,)]),
    ],
)
def test_only_lengths_that_can_be_drawn_are_prescribed(settings: dict[str, Any], wanted: list[Any]) -> None:
    assert patterns_of(registry.build("method", settings), 350, 1) == wanted
