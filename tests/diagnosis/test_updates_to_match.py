"""N*, the updates until ARTBP is nearer the truth than truncated BPTT, and the offsets of truncated BPTT's cuts."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from artbp_exp import registry
from artbp_exp.autograd import detach
from artbp_exp.diagnosis.comparisons import with_updates_to_match
from artbp_exp.diagnosis.measure import MOST_OFFSETS, at_offsets
from tests.small import measured, small

LENGTH = 5
ROWS: list[dict[str, Any]] = [
    {"name": "tbptt", "length": LENGTH},
    {"name": "artbp", "length": LENGTH, "schedule": "paper", "alpha": 6},
    {"name": "artbp", "length": LENGTH, "schedule": "paper", "alpha": 6, "reweight": False},
]


def table_over(steps: int) -> pd.DataFrame:
    """The linear system, which sees the same inputs at every step and is warmed up: all windows are alike."""
    model, task = small("linear", steps)
    inputs, _ = task.window(0, steps)
    with torch.no_grad():
        _, state = model(inputs, model.init_state(task.batch_size))
    warmed = detach(state)
    setattr(model, "init_state", lambda batch_size: warmed)  # noqa: B010
    rows = [measured(model, task, method, draws=3000, starts=8, seed=(0, index)) for index, method in enumerate(ROWS)]
    table = pd.DataFrame(rows).assign(comparison="length")
    for end in ("", "_low", "_high"):
        table[f"bias2_lasting{end}"] = table[f"bias2{end}"]
    return with_updates_to_match(table, steps)


def test_updates_to_match_do_not_depend_on_the_window_while_the_ratio_does() -> None:
    short, long = table_over(50), table_over(200)
    ratios = [float(table["variance"][1] / table["bias2"][0]) for table in (short, long)]
    assert ratios[0] / ratios[1] == pytest.approx(4, rel=0.25)
    assert short["updates_to_match"][1] == pytest.approx(long["updates_to_match"][1], rel=0.25)
    assert long["updates_to_match"][1] == pytest.approx(200 / LENGTH * ratios[1])
    assert long["updates_to_match_low"][1] < long["updates_to_match"][1] < long["updates_to_match_high"][1]
    # truncation and random cuts without reweighting keep their bias however many are averaged
    assert np.isnan(long["updates_to_match"][[0, 2]]).all()


def test_equal_memory_is_held_against_truncation_of_that_memory() -> None:
    truncated = {
        "method": "tbptt",
        "unbiased": False,
        "reweight": True,
        "variance": 0.0,
        "variance_low": 0.0,
        "variance_high": 0.0,
    }
    artbp = {
        "method": "artbp",
        "reweight": True,
        "schedule": "constant",
        "alpha": float("nan"),
        "every": 1,
        "variance": 2.0,
        "variance_low": 1.0,
        "variance_high": 3.0,
        "unbiased": True,
        "predicted_rare": 0.0,
    }
    ends = {"bias2_lasting_low": -0.1, "bias2_lasting_high": 2.0}
    table = pd.DataFrame(
        [
            {**truncated, "comparison": "length", "length": 10, "bias2_lasting": 1.0, **ends},
            {**truncated, "comparison": "equal memory", "length": 41, "bias2_lasting": 0.5, **ends},
            {**artbp, "comparison": "equal memory", "length": 20.0},
            {**artbp, "comparison": "equal length", "length": 10.0},
            {**artbp, "comparison": "length", "length": 11.0},
            {**artbp, "comparison": "length", "length": 10.0, "predicted_rare": 0.9},
        ]
    )
    complete = with_updates_to_match(table, 100)
    found = complete["updates_to_match"]
    assert found[2] == pytest.approx(100 / 20 * 2 / 0.5)
    assert found[3] == pytest.approx(100 / 10 * 2 / 1.0)
    assert np.isnan(found[[4, 5]]).all()
    assert complete["updates_to_match_low"][2] == pytest.approx(100 / 20 * 1 / 2.0)
    assert complete["updates_to_match_high"][2] == float("inf")


@pytest.mark.filterwarnings("ignore:artbp with .* ends every segment")
@pytest.mark.parametrize(
    ("setting", "biased"),
    [
        ({"length": 1, "schedule": "paper", "alpha": 4.0}, True),
        ({"length": 1, "schedule": "constant"}, True),
        ({"length": 5, "schedule": "paper", "alpha": 4.0, "every": 5}, True),
        ({"length": 5, "schedule": "paper", "alpha": 4.0, "reweight": False}, True),
        ({"length": 5.5, "schedule": "paper", "alpha": 4.0, "every": 5}, False),
        ({"length": 1.5, "schedule": "constant"}, False),
    ],
    ids=str,
)
def test_where_artbp_is_biased_no_number_of_updates_matches(setting: dict[str, Any], biased: bool) -> None:
    model, task = small("linear", 20)
    method = {"name": "artbp", **setting}
    row = measured(model, task, method, draws=9, starts=4)
    row["predicted_rare"] = 0.0  # few draws show little of the variance, which is another reason for none
    systematic = {f"bias2_lasting{end}": 1.0 for end in ("", "_low", "_high")}
    table = pd.DataFrame([row, {"method": "tbptt", "unbiased": False, "length": setting["length"], **systematic}])
    found = with_updates_to_match(table.assign(comparison="length"), 20)["updates_to_match"][0]
    assert np.isnan(found) == biased


@pytest.mark.parametrize(("length", "firsts"), [(3, (1, 2, 3)), (80, tuple(range(10, 81, 10)))])
def test_the_first_cut_of_each_pass_is_moved(length: int, firsts: tuple[int, ...]) -> None:
    passes = at_offsets(registry.build("method", {"name": "tbptt", "length": length, "memory": 7}), 200)
    assert tuple(segments[0].length for segments in passes) == firsts
    assert len(firsts) <= MOST_OFFSETS
    for segments in passes:
        assert {segment.memory for segment in segments} == {7}
        assert {segment.length for segment in segments[1:-1]} <= {length}
        assert sum(segment.length for segment in segments) == 200


def test_full_bptt_has_one_pass_and_cuts_beyond_the_window_are_none() -> None:
    for settings in ({"name": "bptt"}, {"name": "tbptt", "length": 900}):
        passes = at_offsets(registry.build("method", settings), 50)
        assert passes[-1][0].length == 50
        assert all(sum(segment.length for segment in segments) == 50 for segments in passes)
