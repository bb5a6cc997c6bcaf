"""What sharing cuts costs, against every way to cut a short sequence."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.diagnosis.measure import as_vector, vector
from artbp_exp.diagnosis.run.crossings import crossings as crossings_of
from artbp_exp.methods import segment_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.window import Window
from artbp_exp.theory.predicted_variance import predicted_variance
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.truncation import Scheme
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.small import small_task

STEPS = 8
STARTS = 8
"""Two lags from the first place, and each of the other six places once: with so few steps nothing is left to chance."""


def variance(model: RecurrentModel, task: Any, scheme: Scheme) -> float:
    """E‖ĝ − g‖² by enumeration."""
    method = segment_method(scheme, model=model, task=task, engine="plain")
    loop, full = TaskLoop(task=task, method=method, trainables=model), as_vector(full_bptt(model, task).gradient)
    return sum(
        chance * float((vector(loop, outcome) - full).square().sum()) for outcome, chance in method.outcomes(STEPS)
    )


@pytest.mark.parametrize("streams", [2, 3])
@pytest.mark.parametrize("schedule", [{"alpha": 4}, {"schedule": "constant"}], ids=["paper", "constant"])
def test_kappa_is_what_enumeration_says(streams: int, schedule: dict[str, Any]) -> None:
    model, task = small_task("rnn", STEPS, streams=streams)
    assert task.batch_size == streams
    scheme = registry.build("method", {"name": "artbp", "length": 3, **schedule})
    shared = variance(model, task, scheme)
    # the loss is a mean over streams: independent cuts add up the variances of its shares
    each = [Window(task, start=0, steps=STEPS, streams=1, first=stream) for stream in range(streams)]
    apart = sum(variance(model, one, scheme) for one in each) / streams**2
    crossings = crossings_of(model, full_bptt(model, task), scheme, streams=streams)
    found = predicted_variance(
        scheme,
        STEPS,
        crossings,
        streams=streams,
        starts=STARTS,
        draws=9,
        rng=np.random.default_rng(0),
    )
    assert found.variance == pytest.approx(shared, rel=1e-9)
    assert shared / apart == pytest.approx(1 + (streams - 1) * found.kappa, rel=1e-9)
    assert abs(found.kappa) > 1e-3
