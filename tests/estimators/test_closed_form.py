"""The synthetic task's fast path equals the plain one."""

import numpy as np
import pytest
from problems import METHODS

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.estimators import make_learner
from artbp_exp.estimators.closed_form import PIECE, ClosedFormLearner
from artbp_exp.estimators.learner import OnlineLearner
from artbp_exp.runner import train
from artbp_exp.streams import Streams


def rows(engine, method, *, steps=600, size=5, positive=2, clip=None, lr=1e-3):
    streams = Streams.from_seed(3)
    task = registry.build("task", {"name": "synthetic", "steps": steps, "size": size, "positive": positive})
    model = registry.build("model", {"name": "linear"}, generator=streams.weights, **task.shapes)
    updater = registry.build("optimizer", {"name": "sgd", "lr": lr, "clip": clip}, parameters=list(model.parameters()))
    learner = make_learner(
        engine=engine,
        model=model,
        task=task,
        scheme=registry.build("method", method),
        updater=updater,
        cuts=streams.cuts,
    )
    assert isinstance(learner, OnlineLearner if engine == "plain" else ClosedFormLearner)
    return [r.row for r in train(task=task, model=model, learner=learner, data=streams.data)]


CASES = [
    *METHODS.values(),
    {"name": "tbptt", "length": PIECE},
    {"name": "tbptt", "length": PIECE + 1},
    {"name": "artbp", "length": 200, "alpha": 3},
]


@pytest.mark.parametrize("method", CASES, ids=str)
@pytest.mark.parametrize("more", [{}, {"size": 23, "positive": 10}, {"size": 1, "positive": 0}, {"clip": 0.5}])
def test_equal_to_the_plain_path(method, more):
    fast, plain = (rows(engine, method, **more) for engine in ("fused", "plain"))
    assert len(fast) == len(plain)
    for mine, oracle in zip(fast, plain, strict=True):
        for key in ("loss", "theta", "grad"):
            assert mine[key] == pytest.approx(oracle[key], rel=1e-10, abs=1e-13), key
        for key in ("step", "segments", "mean_length", "max_length"):
            assert mine[key] == oracle[key]


def test_divergence_is_seen_at_the_same_step():
    method = {"name": "tbptt", "length": 10}
    fast, plain = (rows(engine, method, steps=3000, lr=0.05, size=23, positive=10) for engine in ("fused", "plain"))
    assert fast[-1]["step"] == plain[-1]["step"] < 3000


def test_fused_is_refused_where_there_is_no_such_path():
    streams = Streams.from_seed(0)
    task = registry.build("task", {"name": "synthetic", "steps": 10})
    model = registry.build("model", {"name": "linear"}, generator=streams.weights, **task.shapes)
    updater = registry.build("optimizer", {"name": "adam", "lr": 0.1}, parameters=list(model.parameters()))
    scheme = registry.build("method", {"name": "bptt"})
    with pytest.raises(UserError, match="engine=fused"):
        make_learner(
            engine="fused", model=model, task=task, scheme=scheme, updater=updater, cuts=np.random.default_rng()
        )
