"""Formulas from the hazard alone, against the scheme's own tables and against enumeration."""

from typing import Any

import numpy as np
import pytest

from artbp_exp.theory.survival import carry_factors, renewal, survival
from artbp_exp.theory.unbiased import can_cut, is_unbiased, why_biased
from artbp_exp.truncation import enumerate_cuts
from tests.schemes import ALL, build_scheme, label

every_scheme = pytest.mark.parametrize("settings", ALL, ids=label)


@every_scheme
def test_schemes_agree_with_their_hazard(settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    np.testing.assert_allclose(survival(scheme, 500), scheme.survival(500), rtol=1e-14)
    np.testing.assert_allclose(carry_factors(scheme, 500), scheme.factors(500), rtol=1e-14)


@every_scheme
def test_renewal_probabilities_are_those_of_enumeration(settings: dict[str, Any]) -> None:
    scheme = build_scheme(settings)
    counted = np.zeros(8)
    for lengths, probability in enumerate_cuts(scheme, 8):
        for begin in np.cumsum([0, *lengths[:-1]]):
            counted[begin] += probability
    assert renewal(scheme, 8) == pytest.approx(counted, rel=1e-12)


@pytest.mark.filterwarnings("ignore:artbp with .* ends every segment")  # which is what is tried
@pytest.mark.parametrize(
    ("settings", "cut", "reason"),
    [
        ({"name": "bptt"}, False, None),
        ({"name": "tbptt", "length": 9}, False, None),
        ({"name": "tbptt", "length": 8}, True, "a cut that is certain cannot be compensated"),
        ({"name": "artbp", "length": 5, "alpha": 4}, True, None),
        ({"name": "artbp", "length": 5, "alpha": 4, "reweight": False}, True, "cuts are not compensated"),
        ({"name": "artbp", "length": 5, "alpha": 4, "every": 5}, True, "a cut that is certain cannot be compensated"),
    ],
    ids=str,
)
def test_a_scheme_is_biased_where_a_cut_is_certain_or_not_compensated(
    settings: dict[str, Any], cut: bool, reason: str | None
) -> None:
    scheme = build_scheme(settings)
    assert can_cut(scheme, 9) == cut
    assert why_biased(scheme, 9) == reason
    assert is_unbiased(scheme, 9) == (reason is None)
