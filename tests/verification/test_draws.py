"""Lengths are drawn with the probabilities that the hazard says, or it is noticed."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.methods import segment_method
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.verification.draws import Lengths, measured, misdrawn, redrawn
from artbp_exp.verification.enumeration import Subject, certify
from artbp_exp.verification.small import small, small_task
from artbp_exp.verification.variants import MUTANTS, schemes

STEPS = 6
RANDOM_PHASE = {"name": "tbptt", "length": 3, "phase": "random"}
HONEST = registry.build("method", {"name": "artbp", "length": 2.5, "alpha": 4})


def subject(scheme: Scheme) -> Subject:
    model, task = small_task("linear", STEPS)
    method = segment_method(scheme, model=model, task=task, engine="auto")
    return Subject(model=model, task=task, method=method)


def lying(kind: type[Scheme], honest: Scheme = HONEST) -> Scheme:
    return kind(name=honest.name, length=honest.length, hazard=honest.hazard)


class DrawnOffByABit(Scheme):
    """Right in the middle of every interval, wrong near its ends."""

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        u = rng.random()

        class Moved:
            def random(self) -> float:
                return max(0.0, u - 1e-3)

        moved: Any = Moved()
        return super().draw(moved, limit)


class Later(Scheme):
    """The first segments are as long as they should be, later ones are capped."""

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        length = super().draw(rng, limit)
        return length if limit == STEPS else min(2, length)


class Overlapping(Scheme):
    """Every segment is the whole sequence."""

    def segments(self, steps: int, rng: np.random.Generator) -> Iterator[tuple[int, Segment]]:
        return ((start, self.segment(steps)) for start, _ in super().segments(steps, rng))


@pytest.mark.parametrize("settings", [*schemes(), RANDOM_PHASE], ids=str)
def test_every_method_draws_what_its_hazard_says(settings: dict[str, Any]) -> None:
    tried = small(settings, *small_task("linear", STEPS))
    assert tried.scheme is not None
    lengths = Lengths.promised(tried.scheme, STEPS)
    assert misdrawn(tried.method, lengths) is None
    found = measured(tried.method, STEPS)
    assert found.beyond == pytest.approx(lengths.beyond, abs=1e-12)
    assert found.first == pytest.approx(lengths.first, abs=1e-12)


@pytest.mark.parametrize("name", ["draws shifted by one step", "cuts drawn with half their probability", ""])
def test_a_scheme_that_draws_otherwise_is_refuted(name: str) -> None:
    broken = MUTANTS[name].scheme_of(HONEST) if name else lying(DrawnOffByABit)
    assert (broken.factors(9) == HONEST.factors(9)).all()
    exact = certify(subject(broken))
    assert not exact.certified
    assert "segments are not drawn with the hazard's probabilities" in str(exact.reason)
    assert max(exact.bias.values()) > 1e-5


def test_a_method_that_cuts_otherwise_than_it_drew_is_refuted() -> None:
    exact = certify(subject(lying(Later)))
    assert not exact.certified
    assert "came out as" in str(exact.reason)


def test_segments_that_do_not_cover_the_sequence_are_refuted() -> None:
    drawing, lengths = lying(Overlapping), Lengths.promised(HONEST, STEPS)
    assert "as (start, length)" in str(misdrawn(drawing, lengths))
    wanted = [HONEST.segment(2), HONEST.segment(4)]
    segments, wrong = redrawn(drawing, lengths, wanted)
    assert segments == wanted
    assert wrong == "the segments are [(0, 6), (2, 6)] as (start, length) of 6 steps"


@pytest.mark.parametrize("wrong", ["first", "others"])
def test_a_first_segment_that_differs_is_held_to_its_own_hazard(wrong: str) -> None:
    halved = MUTANTS["cuts drawn with half their probability"].scheme_of
    constant = registry.build("method", {"name": "artbp", "length": 4, "schedule": "constant"})
    right = replace(HONEST, first=constant)
    assert certify(subject(right)).certified
    broken = replace(right, first=halved(constant)) if wrong == "first" else replace(halved(HONEST), first=constant)
    exact = certify(subject(broken))
    assert "segments are not drawn with the hazard's probabilities" in str(exact.reason)
    assert max(exact.bias.values()) > 1e-5


def test_the_halved_cuts_have_half_the_probability() -> None:
    honest = registry.build("method", {"name": "artbp", "length": 4, "schedule": "constant"})
    halved = MUTANTS["cuts drawn with half their probability"].scheme_of(honest)
    assert measured(halved, STEPS).beyond == pytest.approx((1 - 0.5 / 4) ** np.arange(STEPS), abs=1e-12)
