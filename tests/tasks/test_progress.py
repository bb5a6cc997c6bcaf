import math

import pytest

from artbp_exp.tasks.base import Progress


def test_counts_steps_segments_and_lengths() -> None:
    progress = Progress()
    progress.begin_pass()
    for loss, length in ((3.0, 2), (4.0, 5), (1.0, 2)):
        progress.add(loss, length, limit=10)
    assert progress.step == progress.pass_steps == progress.row_steps == 9
    assert progress.counts() == {"segments": 3, "mean_length": 3, "max_length": 5}
    assert progress.lengths == {2: 2, 5: 1}
    assert progress.loss == progress.pass_loss == 8 / 9


def test_a_row_and_a_pass_begin_anew_at_their_step() -> None:
    progress = Progress()
    progress.begin_pass()
    progress.add(3.0, 2, limit=10)
    progress.begin_row()
    assert math.isnan(progress.loss)
    progress.add(6.0, 3, limit=10)
    assert (progress.loss, progress.pass_loss) == (2.0, 9 / 5)
    progress.begin_row()
    progress.begin_pass()
    assert math.isnan(progress.pass_loss)
    progress.add(4.0, 2, limit=10)
    assert (progress.loss, progress.pass_loss, progress.pass_steps, progress.step) == (2.0, 2.0, 2, 7)


@pytest.mark.parametrize(("loss", "diverged"), [(20.0, False), (20.1, True), (math.nan, True), (math.inf, True)])
def test_divergence_is_a_mean_loss_beyond_the_limit_or_none(loss: float, diverged: bool) -> None:
    progress = Progress()
    progress.add(loss, 2, limit=10)
    assert progress.diverged is diverged


def test_nothing_yet() -> None:
    assert Progress().max_length == 0
    assert math.isnan(Progress().mean_length)
