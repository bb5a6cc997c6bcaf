"""The heart: over every way to cut a sequence, ARTBP's gradients average to the full one, exactly."""

from typing import Any

import pytest

from tests.cells import NAMES, make_case
from tests.gradients import estimated_gradient, expected_gradient, flat, full_gradient, relative_errors
from tests.schemes import ALL, build_scheme, label, promises_no_bias

STEPS = 8
ROUNDING = 1e-12
CLEARLY = 0.01
# L = T − 1 cuts once, right before the last of the losses: little is lost, yet far more than rounding
BARELY = 1e-4


@pytest.mark.parametrize("settings", ALL, ids=label)
@pytest.mark.parametrize("cell", NAMES)
def test_mean_gradient_is_the_full_one_where_it_should_be(cell: str, settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    case = make_case(cell, STEPS)
    wanted, found = full_gradient(case), expected_gradient(case, scheme)
    if promises_no_bias(scheme, STEPS):
        assert max(relative_errors(found, wanted).values()) < ROUNDING
    else:
        threshold = BARELY if scheme.length == STEPS - 1 else CLEARLY
        assert (flat(found) - flat(wanted)).norm() > threshold * flat(wanted).norm()


def test_each_kind_of_scheme_is_among_those_tried() -> None:
    promises = {label(s): promises_no_bias(build_scheme(s), STEPS) for s in ALL}
    assert promises["bptt"]
    assert promises["tbptt-length=8"]
    assert promises["artbp-length=2.5-alpha=4"]
    assert promises["artbp-length=2.5-schedule=constant"]
    assert not promises["tbptt-length=7"]
    assert not promises["artbp-length=2.5-alpha=4-reweight=False"]


@pytest.mark.parametrize("cell", NAMES)
def test_a_single_pattern_is_not_the_full_gradient(cell: str) -> None:
    case = make_case(cell, STEPS)
    scheme = build_scheme({"name": "artbp", "length": 2.5, "alpha": 4})
    one = estimated_gradient(case, [scheme.segment(3), scheme.segment(5)])
    assert max(relative_errors(one, full_gradient(case)).values()) > 0.01
