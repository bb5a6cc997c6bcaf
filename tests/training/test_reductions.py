"""Known special cases: no cut within the sequence, and hazards of zero."""

import numpy as np
import pytest

from artbp_exp.truncation import Scheme
from tests.cells import NAMES, make_case
from tests.gradients import estimated_gradient, full_gradient, relative_errors
from tests.schemes import build_scheme

STEPS = 8


@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize("settings", [{"name": "bptt"}, {"name": "tbptt", "length": 8}, {"name": "tbptt", "length": 9}])
def test_one_uncut_segment_gives_the_full_gradient(cell: str, settings: dict) -> None:
    case = make_case(cell, STEPS)
    segment = build_scheme(settings).segment(STEPS)
    assert max(relative_errors(estimated_gradient(case, [segment]), full_gradient(case)).values()) < 1e-13


@pytest.mark.parametrize("cell", NAMES)
def test_hazard_zero_is_full_backpropagation(cell: str) -> None:
    never = Scheme(name="never", length=None, hazard=lambda lag: np.zeros(lag.shape))
    case = make_case(cell, STEPS)
    rng = np.random.default_rng(0)
    segment = never.segment(never.draw(rng, STEPS))
    assert segment.length == STEPS
    assert max(relative_errors(estimated_gradient(case, [segment]), full_gradient(case)).values()) < 1e-13


@pytest.mark.parametrize("cell", NAMES)
def test_a_very_long_mean_length_tends_to_the_full_gradient(cell: str) -> None:
    case = make_case(cell, STEPS)
    segment = build_scheme({"name": "artbp", "length": 1e9, "alpha": 4}).segment(STEPS)
    assert max(relative_errors(estimated_gradient(case, [segment]), full_gradient(case)).values()) < 1e-6


def test_random_cuts_without_reweighting_keep_the_gradient_of_each_segment() -> None:
    case = make_case("lstm", STEPS)
    ablation = build_scheme({"name": "artbp", "length": 3, "alpha": 4, "reweight": False})
    truncated = build_scheme({"name": "tbptt", "length": 5})
    found = estimated_gradient(case, [ablation.segment(5), ablation.segment(3)])
    wanted = estimated_gradient(case, [truncated.segment(5), truncated.segment(3)])
    assert max(relative_errors(found, wanted).values()) == 0
