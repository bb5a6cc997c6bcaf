"""The unbiasedness check catches the usual mistakes: without that, passing it would mean little."""

import numpy as np
import pytest

from artbp_exp.truncation import Scheme, Segment
from tests.cells import NAMES, make_case
from tests.gradients import expected_gradient, flat, full_gradient, relative_errors
from tests.schemes import build_scheme

STEPS = 7
# a thousand million times the rounding that the check allows
CAUGHT = 1e-3


def paper_scheme(length: float = 2.5, alpha: float = 4) -> Scheme:
    return build_scheme({"name": "artbp", "length": length, "alpha": alpha})


def shifted(scheme: Scheme, *, by: int) -> Scheme:
    """The same scheme with the hazard of lag d + `by` where that of lag d belongs."""
    return Scheme(name="shifted", length=scheme.length, hazard=lambda lag: scheme.hazard(lag + by))


@pytest.mark.parametrize("cell", NAMES)
@pytest.mark.parametrize("by", [-1, 1])
def test_factors_of_the_step_before_or_after_are_caught(cell: str, by: int) -> None:
    scheme = paper_scheme()
    wrong = shifted(scheme, by=by)
    case = make_case(cell, STEPS)
    # lengths are drawn with the right hazard, gradients reweighted with the shifted one (by = −1: the authors' code)
    found = expected_gradient(case, scheme, cut=wrong.segment)
    assert max(relative_errors(found, full_gradient(case)).values()) > CAUGHT


def test_the_off_by_one_is_caught_at_the_settings_in_use() -> None:
    scheme = paper_scheme(length=50, alpha=4)
    case = make_case("lstm", STEPS)
    wanted = full_gradient(case)
    right = expected_gradient(case, scheme)
    found = expected_gradient(case, scheme, cut=shifted(scheme, by=-1).segment)
    assert max(relative_errors(right, wanted).values()) < 1e-12
    assert max(relative_errors(found, wanted).values()) > 1e-6


@pytest.mark.parametrize("cell", NAMES)
def test_dividing_by_the_actual_length_is_caught(cell: str) -> None:
    case = make_case(cell, STEPS)
    wanted = flat(full_gradient(case))
    found = flat(expected_gradient(case, paper_scheme(), divide_by_length=True))
    # no constant factor makes up for it: the direction is another, or, with one parameter, the mean length does not fit
    factor = (found @ wanted) / (found @ found) if wanted.numel() > 1 else paper_scheme().length
    assert (factor * found - wanted).norm() > CAUGHT * wanted.norm()


@pytest.mark.parametrize("cell", NAMES)
def test_a_factor_squared_or_inverted_is_caught(cell: str) -> None:
    scheme = paper_scheme()
    case = make_case(cell, STEPS)
    for power in (2.0, -1.0):
        found = expected_gradient(
            case, scheme, cut=lambda n, power=power: Segment(length=n, factors=scheme.factors(n - 1) ** power)
        )
        assert max(relative_errors(found, full_gradient(case)).values()) > CAUGHT


@pytest.mark.parametrize("cell", NAMES)
def test_a_hard_cap_on_the_length_is_caught(cell: str) -> None:
    scheme = paper_scheme()
    capped = Scheme(
        name="capped", length=None, hazard=lambda lag: np.where(lag >= 4, 1.0, scheme.hazard(lag)), reweight=True
    )
    case = make_case(cell, STEPS)
    assert max(relative_errors(expected_gradient(case, capped), full_gradient(case)).values()) > CAUGHT


@pytest.mark.parametrize("cell", NAMES)
def test_a_cut_on_a_fixed_grid_only_stays_unbiased(cell: str) -> None:
    gridded = Scheme(name="grid", length=None, hazard=lambda lag: np.where(lag % 2 == 0, 0.4, 0.0))
    case = make_case(cell, STEPS)
    assert max(relative_errors(expected_gradient(case, gridded), full_gradient(case)).values()) < 1e-12
