"""The systematic bias is what streams have in common, and not what their data do to it."""

from itertools import permutations

import numpy as np
import pytest
import torch

from artbp_exp.autograd import leaves
from artbp_exp.diagnosis import systematic_bias as measured
from artbp_exp.diagnosis.measure import vector
from artbp_exp.diagnosis.run.streams import streams
from artbp_exp.diagnosis.systematic_bias import OFFSETS, in_common, systematic_bias
from artbp_exp.tasks import ptb
from artbp_exp.tasks.window import window
from artbp_exp.training.gradient import Loop
from artbp_exp.truncation import Segment
from tests.small import small


@pytest.mark.parametrize("same", [True, False])
def test_streams_of_one_text_have_all_their_bias_in_common(same: bool) -> None:
    model, _ = small("lstm", 24)
    rng = np.random.default_rng(0)
    one = rng.integers(4, size=25)
    symbols = np.tile(one, 6) if same else rng.integers(4, size=150)
    task = ptb.PennTreebank(
        parts=dict.fromkeys(("train", "valid", "test"), symbols), vocabulary=4, batch_size=6, epochs=1,
        carry_state=True, divergence=100.0, rows_per_epoch=1,
    )  # fmt: skip
    # L below 3: as many offsets as are measured on a stream, so that all streams have the same
    measured_in_all = systematic_bias(streams(model, window(task, steps=24), engine="auto"), [2], rng=rng)
    found = measured_in_all.bias2[2]
    assert measured_in_all.places == 6
    truths = [truth for _, truth in streams(model, window(task, steps=24), engine="auto")]
    pairs = [float(one @ other) for one, other in permutations(truths, 2)]
    assert measured_in_all.common == pytest.approx(np.mean(pairs))
    # the model begins with all streams again
    assert {len(leaf) for leaf in leaves(model.init_state(6))} == {6}
    if same:
        assert found["bias2"] == pytest.approx(found["bias2_low"], rel=1e-6)
        assert found["bias2"] == pytest.approx(found["bias2_high"], rel=1e-6)
        assert found["bias2"] > 0
    else:
        assert found["bias2_low"] < found["bias2"] < found["bias2_high"]


def test_other_streams_are_cut_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = small("lstm", 24)
    symbols = np.random.default_rng(0).integers(4, size=75)
    task = ptb.PennTreebank(
        parts=dict.fromkeys(("train", "valid", "test"), symbols), vocabulary=4, batch_size=3, epochs=1,
        carry_state=True, divergence=100.0, rows_per_epoch=1,
    )  # fmt: skip
    seen = []

    def spy(loop: Loop, outcome: tuple[Segment, ...]) -> torch.Tensor:
        seen.append(outcome[0].length)
        return vector(loop, outcome)

    monkeypatch.setattr(measured, "vector", spy)
    places = streams(model, window(task, steps=24), engine="auto")
    systematic_bias(places, [8], rng=np.random.default_rng(0))
    assert seen == [1, 2, 3, 4, 5, 6]
    assert OFFSETS == 2


def test_errors_millions_of_times_smaller_than_the_gradient_keep_their_digits() -> None:
    rng = np.random.default_rng(0)
    errors = [torch.full((1000,), 1.1e-6) for _ in range(3)]
    assert in_common(errors, rng=rng)["bias2"] == pytest.approx(1.21e-9, rel=1e-5)
