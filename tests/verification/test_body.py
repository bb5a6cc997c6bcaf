"""The ways to cut that can happen, without those that cannot."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.truncation import Scheme, enumerate_cuts
from artbp_exp.verification.body import count_cuts, plain, possible_cuts
from artbp_exp.verification.everything import methods

UNEVEN = Scheme(
    name="uneven", length=None, hazard=lambda lag: np.where(lag % 3 == 0, 1.0, np.where(lag == 1, 0.3, 0.0))
)


@pytest.mark.parametrize("settings", [*methods(), None], ids=str)
@pytest.mark.parametrize("steps", [2, 3, 7])
def test_they_are_those_of_the_whole_enumeration(settings: dict[str, Any] | None, steps: int) -> None:
    scheme = UNEVEN if settings is None else registry.build("method", settings)
    wanted = {pattern: chance for pattern, chance in enumerate_cuts(scheme, steps) if chance > 0}
    assert dict(possible_cuts(scheme, steps)) == pytest.approx(wanted, rel=1e-14)
    assert count_cuts(scheme, steps)[-1] == len(wanted)
    assert len(count_cuts(scheme, steps)) == steps


def test_a_factor_of_zero_stands_in_for_a_cut() -> None:
    assert plain(4).factors.tolist() == [1.0, 1.0, 1.0]
    assert plain(4, without=2).factors.tolist() == [1.0, 0.0, 1.0]
