"""What is certified is what a run does, made smaller without changing what kind of method it is."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir

from artbp_exp import registry
from artbp_exp.cli import config as conf
from artbp_exp.run_config import RunConfig
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.verification.enumeration import pass_over
from artbp_exp.verification.full_size import CEILING
from artbp_exp.verification.subject import prescribable, sampled, shorter, shrunk

STEPS = 8
SMALL = ["task.batch_size=4", "model.hidden_size=6", "verify.stretch=20"]


def settings(*overrides: str) -> tuple[RunConfig, dict[str, Any]]:
    with initialize_config_dir(version_base="1.3", config_dir=conf.directory()):
        return conf.split(compose("verify", overrides=[*overrides]), "verify")


@pytest.mark.filterwarnings("ignore:artbp with .* ends every segment")
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
    small = shrunk(*settings("method=tbptt", "method.length=100", "task.steps=50"))
    assert not small.idle
    assert small.subject.method.scheme.length == 100
    assert shrunk(*settings("method=tbptt", "method.length=100")).subject.method.scheme.length == 3


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


@pytest.mark.parametrize(
    ("overrides", "engine"),
    [([], "fused"), (["precision=float32"], "plain"), (["engine=plain"], "plain")],
)
def test_the_engine_is_the_one_that_the_run_takes(overrides: list[str], engine: str) -> None:
    assert shrunk(*settings(*overrides)).subject.method.engine == engine
    assert sampled(*settings(*overrides))[0].method.engine == engine
    assert prescribable(*settings(*overrides)).method.engine == engine


def test_mixed_precision_goes_through_the_sampled_path(own_corpus: Any) -> None:
    run, own = settings("task=ptb", "task.corpus=own", f"task.data_dir={own_corpus}", "precision=bfloat16", *SMALL)

    def gradients(precision: str, autocast: torch.dtype | None) -> dict[str, Any]:
        subject, found = sampled(replace(run, precision=precision), own)
        assert found == autocast
        return pass_over(subject.loop, [subject.method.scheme.segment(length) for length in (3, 17)]).gradient

    mixed, exact = gradients("bfloat16", torch.bfloat16), gradients("float32", None)
    off = {name: float((mixed[name] - exact[name]).norm() / exact[name].norm()) for name in exact}
    assert all(math.isfinite(value) for value in off.values())
    assert 1e-5 < max(off.values()) < 0.1  # another path, to the rounding of bfloat16


def test_a_huge_length_makes_no_huge_window() -> None:
    run, own = settings("method=tbptt", "method.length=900000")
    assert sampled(run, own)[0].task.steps == CEILING
    assert prescribable(run, own).task.steps == CEILING


def test_enumeration_computes_steps_twice_too() -> None:
    small = shrunk(*settings())
    assert small.subject.method.scheme.memory == 3
    assert "method.memory 300 → 3" in small.changes
    assert shrunk(*settings("method.memory=2")).subject.method.scheme.memory == 2
    assert shrunk(*settings("method.memory=null")).subject.method.scheme.memory is None
