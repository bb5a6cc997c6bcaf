import math

import pytest

from artbp_exp.training.tally import Tally


def test_counts_steps_segments_and_lengths() -> None:
    tally = Tally()
    for loss, length in ((3.0, 2), (4.0, 5), (1.0, 2)):
        tally.add(loss, length, limit=10)
    assert (tally.step, tally.segments, tally.max_length) == (9, 3, 5)
    assert tally.lengths == {2: 2, 5: 1}
    assert tally.mean_length == 3
    assert tally.mean_loss() == pytest.approx(8 / 9)
    tally.restart()
    assert math.isnan(tally.mean_loss())
    assert tally.step == 9


@pytest.mark.parametrize(("loss", "diverged"), [(20.0, False), (20.1, True), (math.nan, True), (math.inf, True)])
def test_divergence_is_a_mean_loss_beyond_the_limit_or_none(loss: float, diverged: bool) -> None:
    tally = Tally()
    tally.add(loss, 2, limit=10)
    assert tally.diverged is diverged


def test_nothing_yet() -> None:
    assert Tally().max_length == 0
    assert math.isnan(Tally().mean_length)
