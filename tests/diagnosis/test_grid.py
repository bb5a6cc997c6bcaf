"""What is measured: every comparison, the run's own method, and nothing that was asked for wrongly."""

from typing import Any

import pytest

from artbp_exp import registry
from artbp_exp.diagnosis.run.grid import COMPARED, Grid, methods, with_stored_steps
from artbp_exp.diagnosis.words import said
from artbp_exp.errors import UserError
from tests.small import measured, small

OWN: dict[str, Any] = {
    "alpha": 4, "length": 20, "memory": 20, "lengths": [5], "truncated_lengths": [7], "alphas": [4, 6],
}  # fmt: skip
BPTT: dict[str, Any] = {"name": "bptt"}
ARTBP: dict[str, Any] = {"name": "artbp", "length": 9, "schedule": "paper", "alpha": 5, "reweight": True, "every": 1}


def compared(grid: Grid) -> Grid:
    """Without the methods that are measured over lengths only."""
    return [one for one in grid if one[1]["name"] in COMPARED]


def test_the_grid_has_every_comparison() -> None:
    found, left_out = methods(OWN, kept=30, run=BPTT)
    assert {comparison for comparison, _ in found} == {"length", "equal length", "equal memory"}
    assert {method["memory"] for _, method in found} == {30}
    assert left_out == []


def test_the_method_of_the_run_comes_last_with_truncation_of_its_length() -> None:
    own = {**OWN, "alphas": [4, 5, 6]}
    before, found = (compared(methods(own, kept=30, run=run)[0]) for run in (BPTT, ARTBP))
    assert found[: len(before)] == before
    added = [(method["name"], method["length"], method.get("alpha")) for _, method in found[len(before) :]]
    assert added == [("tbptt", 9, None), ("artbp", 9, 5)]
    again, _ = methods({**OWN, "truncated_lengths": [9]}, kept=30, run={**ARTBP, "length": 9.5})
    assert [method["length"] for _, method in again if method["name"] == "tbptt"] == [9, 41]


def test_the_grid_of_cuts_of_the_run_is_its_own() -> None:
    found, _ = methods(OWN, kept=30, run={**ARTBP, "every": 3})
    assert [method["every"] for _, method in found if method["name"] == "artbp"][-2:] == [1, 3]
    # at the length and exponent of another row, but not the same scheme
    again, _ = methods(OWN, kept=30, run={**ARTBP, "length": 5, "alpha": 4, "every": 5})
    assert [
        m["every"] for _, m in compared(again) if (m["length"], m.get("alpha"), m.get("reweight")) == (5, 4, True)
    ] == [1, 5]


def test_the_exponent_of_the_run_is_compared_with_others() -> None:
    found, _ = methods(OWN, kept=30, run=ARTBP)
    assert [method.get("alpha") for one, method in found if one == "equal length"] == [4, 6, 5, None]


def test_a_method_that_is_in_the_grid_is_not_measured_twice() -> None:
    assert methods(OWN, kept=None, run={**ARTBP, "length": 5, "alpha": 4}) == methods(
        {**OWN, "truncated_lengths": [7]}, kept=None, run={**ARTBP, "length": 5.0, "alpha": 4.0}
    )
    twice, _ = methods({**OWN, "lengths": [5, 5]}, kept=None, run=BPTT)
    assert twice == methods(OWN, kept=None, run=BPTT)[0]


def test_an_exponent_without_finite_memory_is_left_out_of_that_comparison_only() -> None:
    found, left_out = methods({**OWN, "alphas": [2.6, 3, 4]}, kept=None, run=BPTT)
    of = {
        name: [method.get("alpha") for one, method in found if one == name] for name in ("equal length", "equal memory")
    }
    assert of == {"equal length": [2.6, 3, 4, None], "equal memory": [4, None, None]}
    assert [line.split(": ")[1].split(",")[0] for line in left_out] == ["α = 2.6", "α = 3"]


def test_empty_lists_leave_their_comparison_out() -> None:
    nothing = {**OWN, "alphas": [], "lengths": [], "truncated_lengths": []}
    assert len(methods(nothing, kept=None, run=ARTBP)[0]) == 2
    with pytest.raises(UserError, match="nothing is left to measure"):
        methods(nothing, kept=None, run=BPTT)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("truncated_lengths", [20.5], r"diagnose\.truncated_lengths must be a whole number ≥ 1; got 20\.5"),
        ("lengths", [10, 0.5], r"diagnose\.lengths must be a number ≥ 1; got 0\.5"),
        ("alphas", [4, 2], r"diagnose\.alphas must be a number > 2; got 2"),
        ("lengths", 10, r"diagnose\.lengths must be a list, as in 'diagnose\.lengths=\[10,25\]'; got 10"),
        ("alphas", ["x"], r"diagnose\.alphas must be a number > 2; got 'x'"),
    ],
)
def test_lists_are_checked_under_their_own_name(name: str, value: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        methods({**OWN, name: value}, kept=None, run=BPTT)


def test_truncated_bptt_is_given_the_length_that_stores_as_much() -> None:
    assert with_stored_steps({"name": "tbptt", "length": 1}, 50) == {"name": "tbptt", "length": 101}


def test_a_random_phase_is_measured_beside_fixed_cuts() -> None:
    run = {"name": "tbptt", "length": 6, "phase": "random", "memory": 300}
    found, _ = methods(OWN, kept=30, run=run)
    mine = [method for _, method in found if (method["name"], method.get("length")) == ("tbptt", 6)]
    assert mine == [
        {"name": "tbptt", "length": 6, "memory": 30},
        {"name": "tbptt", "length": 6, "phase": "random", "memory": 30},
    ]
    rows = [measured(*small("linear", 40), method, draws=30, starts=4) for method in mine]
    assert [row["draws"] for row in rows] == [6, 30]
    assert [said(row) for row in rows] == ["truncated L = 6", "truncated L = 6, random phase"]
    assert rows[1]["variance"] > rows[0]["variance"] == 0
    fixed, _ = methods(OWN, kept=30, run={"name": "tbptt", "length": 7, "phase": "fixed", "memory": 300})
    assert fixed == methods(OWN, kept=30, run=BPTT)[0]


@pytest.mark.usefixtures("registered")
def test_every_registered_scheme_is_measured() -> None:
    found, _ = methods({**OWN, "lengths": [5, 8.0]}, kept=30, run=BPTT)
    assert {method["name"] for _, method in found} | {"bptt"} == set(registry.names("method", package=registry.SCHEMES))
    assert ("length", {"name": "noisy", "sigma": 0.1}) in found
    mine = [(comparison, method) for comparison, method in found if method["name"] == "jittered"]
    assert mine == [("length", {"name": "jittered", "length": length, "spread": 2}) for length in (5, 8)]


@pytest.mark.usefixtures("registered")
def test_a_run_of_any_scheme_is_measured_with_its_own_settings() -> None:
    run = {"name": "jittered", "length": 30, "spread": 7}
    found, _ = methods(OWN, kept=30, run=run)
    at = found.index(("length", run))
    assert found[at - 1] == ("length", {"name": "tbptt", "length": 30, "memory": 30})
    model, task = small("linear", 40)
    row = measured(model, task, run, draws=5, starts=4)
    assert said(row) == "jittered L = 30"
