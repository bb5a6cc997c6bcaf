"""Costs are those of the scheme, whatever the stretch, and of pieces as the engine runs them."""

from typing import Any

import numpy as np
import pytest

from artbp_exp import registry
from artbp_exp.autograd.checkpointing import windows
from artbp_exp.theory.stored_steps import drawn_stored_steps

CONSTANT: dict[str, Any] = {"name": "artbp", "length": 50, "schedule": "constant"}


def of(**settings: Any) -> dict[str, float]:
    return drawn_stored_steps(registry.build("method", settings), np.random.default_rng(0))


def test_lengths_are_not_cut_short_by_any_stretch() -> None:
    found = of(name="artbp", length=50, alpha=4)
    assert found["mean_length"] == pytest.approx(50, rel=0.03)
    assert found["stored_peak"] > 1000
    assert found["stored_mean"] == pytest.approx(found["stored_mean_theory"], rel=0.15)


@pytest.mark.parametrize("memory", [None, 300, 20])
def test_a_constant_hazard_costs_what_theory_says(memory: int | None) -> None:
    found = of(**CONSTANT, memory=memory)
    assert found["stored_mean"] == pytest.approx(49, rel=0.05)
    # E[max(N − m, 0)]/E[N] = P(N > m) for a geometric length
    beyond = 0.0 if memory is None else (1 - 1 / 50) ** memory
    assert found["recomputed"] == pytest.approx(beyond, rel=0.2, abs=1e-9)
    assert found["kept_peak"] == (found["stored_peak"] if memory is None else min(found["stored_peak"], memory))
    assert (found["kept_mean"] == found["stored_mean"]) == (memory is None)


@pytest.mark.parametrize("length", [1, 7, 8, 20, 21])
def test_pieces_are_those_of_the_engine(length: int) -> None:
    found = of(name="tbptt", length=length, memory=7)
    sizes = [stop - start for start, stop in windows(length, 7)]
    assert found["kept_peak"] == max(sizes)
    assert found["kept_mean"] == pytest.approx(sum(n * (n - 1) / 2 for n in sizes) / length)
    assert found["recomputed"] == pytest.approx(sum(sizes[:-1]) / length)
