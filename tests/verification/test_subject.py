"""What is certified is what a run does, made smaller without changing what kind of method it is."""

import math
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from artbp_exp import registry
from artbp_exp.cli import config as conf
from artbp_exp.cli.verify import split
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.verification.subject import full_size, shorter, shrunk

STEPS = 8


def settings(*overrides: str) -> tuple[dict[str, Any], dict[str, Any]]:
    with initialize_config_dir(version_base="1.3", config_dir=conf.directory()):
        return split(compose("verify", overrides=[*overrides]), "verify")


@pytest.mark.parametrize(
    ("length", "every", "shrunk_to"),
    [
        (16, 1, (3, 1)),
        (16, 10, (3.2, 2)),
        (50, 10, (4, 2)),
        (10, 10, (2, 2)),
        (16, 2, (4, 2)),
        (3, 3, (3, 3)),
        (2.5, 1, (2.5, 1)),
    ],
)
def test_blocks_are_shrunk_with_the_length(length: float, every: int, shrunk_to: tuple[float, int]) -> None:
    method = {"name": "artbp", "length": length, "every": every, "alpha": 4}
    found, said = shorter(method, 3)
    assert (found["length"], found["every"]) == shrunk_to
    assert len(said) == (length != shrunk_to[0]) + (every != shrunk_to[1])
    scheme = registry.build("method", found)
    assert can_cut(scheme, STEPS)
    # what always cuts still does, what does not still does not
    certain = [
        float(registry.build("method", m).hazard(torch.arange(m["every"], 61).numpy()).max()) for m in (method, found)
    ]
    assert (certain[0] == 1) == (certain[1] == 1)


def test_a_method_that_never_cuts_in_the_run_is_not_made_to_cut() -> None:
    subject = shrunk(*settings("method=tbptt", "method.length=100", "task.steps=50"))
    assert not subject.idle
    assert subject.probe.scheme.length == 100
    assert shrunk(*settings("method=tbptt", "method.length=100")).probe.scheme.length == 3


@pytest.mark.parametrize(
    "overrides",
    [
        ["method.length=50", "method.every=10", "verify.method_length=null"],
        ["method=tbptt", "method.length=50", "verify.method_length=null"],
        ["verify.steps=1"],
    ],
)
def test_where_no_cut_can_fall_the_test_is_idle(overrides: list[str]) -> None:
    assert shrunk(*settings(*overrides)).idle


def test_full_size_is_idle_on_a_stretch_without_cuts() -> None:
    assert full_size(*settings("method=tbptt", "method.length=50", "verify.stretch=50"))[0].idle
    assert not full_size(*settings("method=tbptt", "method.length=50", "verify.stretch=51"))[0].idle
    assert not full_size(*settings("method=bptt", "task.steps=2000"))[0].idle


@pytest.mark.parametrize(
    ("overrides", "engine"),
    [([], "fused"), (["optimizer=adam"], "fused"), (["precision=float32"], "plain"), (["engine=plain"], "plain")],
)
def test_the_engine_is_the_one_that_the_run_takes(overrides: list[str], engine: str) -> None:
    assert shrunk(*settings(*overrides)).probe.engine == engine
    assert full_size(*settings(*overrides))[0].probe.engine == engine


def test_mixed_precision_goes_through_the_sampled_path(own_corpus: Any) -> None:
    own = settings("task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "precision=bfloat16", *SMALL)
    probe = full_size(*own)[0].probe
    assert probe.autocast == torch.bfloat16
    mixed = probe.following([0.5])[0]
    exact = full_size(own[0] | {"precision": "float32"}, own[1])[0].probe.following([0.5])[0]
    off = {name: float((mixed[name] - exact[name]).norm() / exact[name].norm()) for name in exact}
    assert all(math.isfinite(value) for value in off.values())
    assert 1e-5 < max(off.values()) < 0.1  # another path, to the rounding of bfloat16


SMALL = ["task.batch_size=4", "model.hidden_size=6", "verify.stretch=20"]
