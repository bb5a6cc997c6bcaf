"""Every lag at full size: what a short sequence cannot show is found, what is right is left alone."""

from typing import Any

import pytest

from artbp_exp import registry
from artbp_exp.verification.broken import BROKEN_FAR, FAR_CAP
from artbp_exp.verification.everything import FarVerdict, far, far_wanted, methods
from artbp_exp.verification.lags import MOST, Lags, lag_by_lag, lags_of, longest

PTB = {"name": "artbp", "length": 50, "alpha": 4, "memory": 300}
SYNTHETIC = {"name": "artbp", "length": 16, "alpha": 6, "memory": 300}


def lags(settings: dict[str, Any], **rest: Any) -> Lags:
    return lag_by_lag(registry.build("method", settings), **({"limit": 10_000} | rest))


@pytest.mark.parametrize("settings", [*methods(), PTB, SYNTHETIC, {**PTB, "every": 10}], ids=str)
def test_every_method_is_as_its_hazard_says_at_every_lag(settings: dict[str, Any]) -> None:
    found = lags(settings)
    assert found.reason is None
    assert found.factor_error < 1e-12


@pytest.mark.parametrize("settings", [PTB, SYNTHETIC])
@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ("weight clipped", "the factors are not 1/(1 − c(d))"),
        ("length capped beyond the enumerated lags", f"must give {FAR_CAP + 1} steps, and gives {FAR_CAP}"),
        ("factor forgotten between two pieces", "the factors are not 1/(1 − c(d))"),
    ],
)
def test_what_is_wrong_at_long_lags_only_is_found(settings: dict[str, Any], broken: str, reason: str) -> None:
    assert reason in str(lags(settings, make=BROKEN_FAR[broken]).reason)


def test_a_cap_at_the_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artbp_exp.verification.broken.FAR_CAP", 300)
    capped = BROKEN_FAR["length capped beyond the enumerated lags"]
    assert "must give 301 steps, and gives 300" in str(lags(PTB, make=capped).reason)


def test_the_first_wrong_factor_is_named() -> None:
    """A segment of 1000 steps is 100 and three times 300: the first factor that is forgotten is that after step 100."""
    assert lags(PTB, make=BROKEN_FAR["factor forgotten between two pieces"]).wrong_from == 100


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


def test_every_method_and_what_is_broken_far_is_in_the_sweep_and_comes_out_as_expected() -> None:
    found = list(far())
    assert all(verdict.holds for verdict in found)
    assert {(verdict.method, verdict.broken) for verdict in found} == far_wanted()
    assert {verdict.method.split()[0] for verdict in found} == set(registry.names("method"))
    assert {verdict.broken for verdict in found} == {"", *BROKEN_FAR}


def test_what_is_broken_far_and_missed_is_against_expectation() -> None:
    missed = FarVerdict(method="artbp", broken="weight clipped", lags=lags(PTB))
    assert not missed.holds
