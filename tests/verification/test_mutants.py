"""Every mutant is refuted by the check that its line of the table names, and what was not broken is left alone."""

from typing import Any

import pytest

from artbp_exp import registry
from artbp_exp.verification.enumeration import BIAS_TOLERANCE, certify
from artbp_exp.verification.full_size import lag_by_lag, prescribed
from artbp_exp.verification.small import small, small_task
from artbp_exp.verification.variants import ENUMERATION, FAR_CAP, LAGS, MUTANTS, MUTATED, mutants

PTB = {"name": "artbp", "length": 50, "alpha": 4, "memory": 300}
SYNTHETIC = {"name": "artbp", "length": 16, "alpha": 6, "memory": 300}
FAR = {"name": "artbp", "length": 4, "alpha": 4, "memory": 11}

MISDRAWN = "segments are not drawn with the hazard's probabilities"
BIASED = "the mean over all ways to cut is not full BPTT's gradient"
REASONS = {
    "factors shifted by one step": BIASED,
    "draws shifted by one step": MISDRAWN,
    "cuts drawn with half their probability": MISDRAWN,
    "division by the actual length": BIASED,
    "length silently capped": MISDRAWN,
    "factor applied to the loss, too": BIASED,
    "weight clipped": "the factors are not 1/(1 − c(d))",
    "length capped beyond the enumerated lags": f"must give {FAR_CAP + 1} steps, and gives {FAR_CAP}",
    "factor forgotten between two pieces": "the factors are not 1/(1 − c(d))",
}


def test_each_mutant_has_a_reason_here_and_a_check_there() -> None:
    assert REASONS.keys() == MUTANTS.keys()
    assert {mutant.refuted_by for mutant in MUTANTS.values()} == {ENUMERATION, LAGS}


@pytest.mark.parametrize("model", registry.names("model"))
@pytest.mark.parametrize("name", mutants(ENUMERATION))
def test_enumeration_refutes(model: str, name: str) -> None:
    exact = certify(small(MUTATED, *small_task(model, 6), mutant=name))
    assert REASONS[name] in str(exact.reason)
    assert max(exact.bias.values()) > 1e6 * BIAS_TOLERANCE


@pytest.mark.parametrize("settings", [PTB, SYNTHETIC])
@pytest.mark.parametrize("name", mutants(LAGS))
def test_lag_by_lag_refutes(settings: dict[str, Any], name: str) -> None:
    broken = MUTANTS[name].scheme_of(registry.build("method", settings))
    assert REASONS[name] in str(lag_by_lag(broken, limit=10_000).reason)


@pytest.mark.parametrize("model", registry.names("model"))
@pytest.mark.parametrize("name", ["weight clipped", "factor forgotten between two pieces"])
def test_prescribed_cuts_refute_what_is_wrong_in_long_segments_only(model: str, name: str) -> None:
    found = prescribed(small(FAR, *small_task(model, 40), mutant=name))
    assert any("compensated recursion" in str(held.reason) for held in found)


@pytest.mark.parametrize("name", ["factors shifted by one step", "factor applied to the loss, too"])
def test_prescribed_cuts_refute_what_is_wrong_at_short_lags_too(name: str) -> None:
    assert any(held.reason is not None for held in prescribed(small(FAR, *small_task("lstm", 40), mutant=name)))


def test_a_factor_forgotten_where_windows_of_checkpointing_meet_is_enumerated() -> None:
    settings = MUTATED | {"memory": 3}
    assert not certify(small(settings, *small_task("gru", 6), mutant="factor forgotten between two pieces")).certified
    assert certify(small(settings, *small_task("gru", 6), engine="plain")).certified


def test_a_cap_at_the_memory_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("artbp_exp.verification.variants.FAR_CAP", 300)
    capped = MUTANTS["length capped beyond the enumerated lags"].scheme_of(registry.build("method", PTB))
    assert "must give 301 steps, and gives 300" in str(lag_by_lag(capped, limit=10_000).reason)


def test_the_first_wrong_factor_is_named() -> None:
    """A segment of 1000 steps is 100 and three times 300: the first factor that is forgotten is that after step 100."""
    forgetful = MUTANTS["factor forgotten between two pieces"].scheme_of(registry.build("method", PTB))
    assert lag_by_lag(forgetful, limit=10_000).wrong_from == 100
