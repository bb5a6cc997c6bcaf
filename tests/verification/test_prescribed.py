"""Prescribed cuts at full size: the learner's gradient is the recursion's to rounding, or it is refuted."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from artbp_exp import registry
from artbp_exp.methods import segment_method
from artbp_exp.truncation import Scheme
from artbp_exp.verification.broken import BROKEN, BROKEN_FAR
from artbp_exp.verification.everything import methods, small
from artbp_exp.verification.exact import certify
from artbp_exp.verification.exact_variance import variance_of_one
from artbp_exp.verification.judgement import judge
from artbp_exp.verification.lags import lag_by_lag
from artbp_exp.verification.monte_carlo import monte_carlo
from artbp_exp.verification.prescribed import CEILING, Held, patterns_of, prescribed, stretch_of
from artbp_exp.verification.probe import Make, Probe
from artbp_exp.verification.report import one
from artbp_exp.verification.subject import full_size, prescribable, shrunk
from tests.verification.test_subject import settings as composed

STEPS = 40
FAR = {"name": "artbp", "length": 4, "alpha": 4, "memory": 11}


def held(model: str, settings: dict[str, Any], *, engine: str = "auto", make: Make = segment_method) -> list[Held]:
    built, task = small(model, STEPS)
    scheme = registry.build("method", settings)
    return prescribed(Probe(engine=engine, model=built, task=task, scheme=scheme, make=make))


@pytest.mark.parametrize("model", registry.names("model"))
@pytest.mark.parametrize("settings", [FAR, *methods()], ids=str)
def test_what_is_shipped_agrees_to_rounding(model: str, settings: dict[str, Any]) -> None:
    assert [found.reason for found in held(model, settings) if found.reason is not None] == []


@pytest.mark.parametrize("model", registry.names("model"))
@pytest.mark.parametrize("broken", ["weight clipped", "factor forgotten between two pieces"])
def test_what_is_wrong_in_long_segments_only_is_refuted(model: str, broken: str) -> None:
    assert any("compensated recursion" in str(found.reason) for found in held(model, FAR, make=BROKEN_FAR[broken]))


@pytest.mark.parametrize("broken", ["factors shifted by one step", "factor applied to the loss, too"])
def test_what_is_wrong_at_short_lags_is_refuted_too(broken: str) -> None:
    assert any(found.reason is not None for found in held("lstm", FAR, make=BROKEN[broken]))


def test_the_patterns_are_no_cut_one_in_the_middle_and_short_and_long() -> None:
    scheme = registry.build("method", {"name": "artbp", "length": 50, "alpha": 4, "memory": 300})
    assert stretch_of(scheme, 10**6, 10**7) == 350
    assert stretch_of(scheme, 10**6, 100) == 1000
    assert stretch_of(scheme, 60, 100) == 60
    assert patterns_of(scheme, 350, 1000) == [(3, 344, 3), (175, 175), (350,)]
    assert patterns_of(scheme, 350, 10**7) == [(3, 344, 3)]


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"name": "bptt"}, [(350,)]),
        ({"name": "tbptt", "length": 100}, [(100, 100, 100, 50)]),
        ({"name": "artbp", "length": 50, "alpha": 4, "every": 10}, [(10, 340), (170, 180), (350,)]),
    ],
)
def test_only_lengths_that_can_be_drawn_are_prescribed(settings: dict[str, Any], wanted: list[Any]) -> None:
    assert patterns_of(registry.build("method", settings), 350, 1) == wanted


def test_a_huge_length_makes_no_huge_stretch() -> None:
    settings, own = composed("method=tbptt", "method.length=900000")
    assert full_size(settings, own)[0].probe.task.steps == CEILING
    assert prescribable(settings, own).task.steps == CEILING


def test_enumeration_recomputes_too() -> None:
    small_subject = shrunk(*composed())
    assert small_subject.probe.scheme.memory == 3
    assert "method.memory 300 → 3" in small_subject.shrunk
    assert shrunk(*composed("method.memory=2")).probe.scheme.memory == 2
    assert shrunk(*composed("method.memory=null")).probe.scheme.memory is None


@pytest.mark.parametrize("method", [["method.length=4"], ["method.length=8", "method.schedule=constant"]])
def test_what_is_right_is_certified_whatever_the_draws_show(method: list[str]) -> None:
    """The draws of 30 seeds: heavy tails leave some of Student's intervals far from 0, and the verdict alone."""
    settings, own = composed(*method)
    exact = certify(shrunk(settings, own).probe)
    whole = prescribable(settings, own)
    reasons = [lag_by_lag(whole.scheme, limit=10**6).reason, *(found.reason for found in prescribed(whole))]
    wrong = [reason for reason in reasons if reason is not None]
    variance = variance_of_one(full_size(settings, own)[0].probe, 100)
    missed = 0
    for seed in range(30):
        subject, cuts = full_size(settings | {"seed": seed}, own)
        sampled = monte_carlo(subject.probe, cuts=cuts, draws=100, variance=variance)
        missed += not all(interval.holds for interval in sampled)
        verdict = judge(exact=exact, prescribed=wrong, sampled=sampled, idle=[], clip=None, mixed=False)
        assert verdict.certified, (seed, str(verdict))
    assert missed > 0  # or the test would not show what it is for


def test_a_bias_beyond_the_exact_variance_is_refuted_by_draws() -> None:
    """Half the gradient is missing, and no cut explains it: 30 exact standard errors are less than that."""
    built, task = small("rnn", 16)
    scheme = registry.build("method", {"name": "artbp", "length": 12, "alpha": 6})
    probe = Probe(engine="plain", model=built, task=task, scheme=scheme, make=BROKEN["division by the actual length"])
    variance = variance_of_one(probe, 4000)
    found = monte_carlo(probe, cuts=np.random.default_rng(0), draws=600, variance=variance)
    assert any(interval.impossible for interval in found)
    assert not any(replace(interval, bias=0.0, low=-1.0, high=1.0).impossible for interval in found)


def test_a_factor_forgotten_between_two_pieces_is_enumerated() -> None:
    built, task = small("gru", 6)
    scheme = registry.build("method", {"name": "artbp", "length": 2.5, "alpha": 4, "memory": 3})
    forgotten = BROKEN_FAR["factor forgotten between two pieces"]
    assert not certify(Probe(engine="plain", model=built, task=task, scheme=scheme, make=forgotten)).certified
    assert certify(Probe(engine="plain", model=built, task=task, scheme=scheme)).certified


def test_the_verdict_rests_on_full_size(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The shipped code, broken in place: a cap at 100 steps is seen by none of the enumerated sequences."""
    settings, own = composed("verify.draws=0", "method.length=50")
    assert one(settings, own, tmp_path / "right.csv")
    drawn = Scheme.draw
    monkeypatch.setattr(Scheme, "draw", lambda self, rng, limit: min(100, drawn(self, rng, limit)))
    assert certify(shrunk(settings, own).probe).certified
    assert not one(settings, own, tmp_path / "wrong.csv")
    table = pd.read_csv(tmp_path / "wrong.csv")
    assert set(table["verdict"]) == {"refuted"}
    assert not table.set_index("check").loc["lengths at full size", "holds"]
