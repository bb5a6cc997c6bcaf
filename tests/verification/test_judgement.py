"""Only what was tested, and passed, and is what a run does, is certified."""

from dataclasses import replace
from typing import Any

import pytest

from artbp_exp.verification.exact import Exact
from artbp_exp.verification.judgement import judge
from artbp_exp.verification.monte_carlo import Interval

GOOD = Exact(patterns=8, bias={"w": 1e-16}, variance=1.0, predicted=1.0, misdrawn=None, promise=None, no_formula=None)
SEEN = Interval(parameter="w", direction="along g", bias=0.01, low=-0.02, high=0.04, draws=40)
OFF = replace(SEEN, low=0.005, high=0.015)
FAR_OFF = replace(OFF, error=1e-4)
SOUND: dict[str, Any] = {"exact": GOOD, "prescribed": [], "sampled": [SEEN], "idle": [], "clip": None, "mixed": False}


@pytest.mark.parametrize(
    ("changes", "verdict", "reason"),
    [
        ({}, "certified", ""),
        ({"sampled": []}, "certified", ""),
        ({"mixed": True}, "certified", ""),
        ({"mixed": True, "sampled": []}, "not tested", "nothing was run in mixed precision"),
        ({"idle": ["enumeration"]}, "not tested", "no cut can fall within the steps of the enumeration part"),
        ({"clip": 0.001}, "not certified", "optimizer.clip=0.001"),
        ({"clip": 0.001, "idle": ["enumeration"]}, "not certified", "optimizer.clip=0.001"),
        ({"sampled": [SEEN, OFF]}, "certified", ""),  # Student's t is no judge of heavy tails
        ({"sampled": [SEEN, replace(OFF, error=1e-3)]}, "certified", ""),
        ({"sampled": [SEEN, FAR_OFF]}, "refuted", "the gradient of w is off by 1.0%"),
        ({"prescribed": ["a factor is wrong"]}, "refuted", "a factor is wrong"),
        ({"exact": replace(GOOD, bias={"w": 0.1}), "idle": ["enumeration"]}, "refuted", "the mean over all ways"),
        ({"exact": replace(GOOD, bias={"w": 0.1}, promise="of this"), "clip": 2.0}, "refuted", "of this; optimizer.cl"),
        ({"exact": replace(GOOD, misdrawn="wrong draws")}, "refuted", "wrong draws"),
        ({"exact": replace(GOOD, predicted=1.1)}, "refuted", "the variance is not the formula's"),
    ],
)
def test_verdicts(changes: dict[str, Any], verdict: str, reason: str) -> None:
    found = judge(**(SOUND | changes))
    assert found.verdict == verdict
    assert found.certified == (verdict == "certified")
    assert reason in str(found)


def test_half_the_width_of_an_interval_is_what_may_pass_unseen() -> None:
    assert pytest.approx(0.03) == SEEN.half_width
