"""Lengths are drawn with the probabilities that the hazard says, or it is noticed."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.truncation import Scheme
from artbp_exp.verification.broken import HalvedDraws, ShiftedDraws
from artbp_exp.verification.everything import methods, small
from artbp_exp.verification.exact import certify
from artbp_exp.verification.lengths import measured, misdrawn, promised
from artbp_exp.verification.probe import Probe

STEPS = 6


def probe(scheme: Scheme) -> Probe:
    built, task = small("linear", STEPS)
    return Probe(engine="fused", model=built, task=task, scheme=scheme)


class DrawnOffByABit(Scheme):
    """Right in the middle of every interval, wrong near its ends."""

    def draw(self, rng: np.random.Generator, limit: int) -> int:
        u = rng.random()

        class Moved:
            def random(self) -> float:
                return max(0.0, u - 1e-3)

        moved: Any = Moved()
        return super().draw(moved, limit)


@pytest.mark.parametrize("settings", methods(), ids=str)
def test_every_method_draws_what_its_hazard_says(settings: dict[str, Any]) -> None:
    tried = probe(registry.build("method", settings))
    lengths = promised(tried.scheme, STEPS)
    assert misdrawn(tried, lengths) is None
    assert measured(tried).beyond == pytest.approx(lengths.beyond, abs=1e-12)


@pytest.mark.parametrize("kind", [ShiftedDraws, HalvedDraws, DrawnOffByABit])
def test_a_scheme_that_draws_otherwise_is_refuted(kind: type[Scheme]) -> None:
    honest = registry.build("method", {"name": "artbp", "length": 2.5, "alpha": 4})
    lying = kind(name=honest.name, length=honest.length, hazard=honest.hazard)
    assert (lying.factors(9) == honest.factors(9)).all()
    exact = certify(probe(lying))
    assert not exact.certified
    assert "segments are not drawn with the hazard's probabilities" in str(exact.reason)
    assert max(exact.bias.values()) > 1e-5


def test_a_learner_that_cuts_otherwise_than_it_drew_is_refuted() -> None:
    """The first segments are as long as they should be, later ones are capped."""
    honest = registry.build("method", {"name": "artbp", "length": 2.5, "alpha": 4})

    class Later(Scheme):
        def draw(self, rng: np.random.Generator, limit: int) -> int:
            length = super().draw(rng, limit)
            return length if limit == STEPS else min(2, length)

    exact = certify(probe(Later(name="later", length=2.5, hazard=honest.hazard)))
    assert not exact.certified
    assert "came out as" in str(exact.reason)


def test_the_halved_cuts_have_half_the_probability() -> None:
    honest = registry.build("method", {"name": "artbp", "length": 4, "schedule": "constant"})
    lying = HalvedDraws(name="artbp", length=4, hazard=honest.hazard)
    assert measured(probe(lying)).beyond == pytest.approx((1 - 0.5 / 4) ** np.arange(STEPS), abs=1e-12)
