"""What is printed of a row, and how far the measuring is."""

from typing import Any

import pytest

from artbp_exp.diagnosis.words import line, number, sharing_cost, squared_bias

ROW: dict[str, Any] = {
    "method": "tbptt", "length": 10, "bias2": 0.1, "bias2_low": 0.05, "bias2_high": 0.2, "variance": 0.0,
    "predicted": float("nan"), "predicted_rare": float("nan"), "cosine": 0.9, "stored_mean": 4.5, "stored_peak": 10,
    "kept_peak": 10, "recomputed": 0.0,
}  # fmt: skip


def test_what_there_is_not_is_a_dash() -> None:
    said = line(["length", "equal memory"], ROW)
    assert "nan" not in said
    assert "(predicted –)" in said
    assert said.endswith("in: length, equal memory")
    assert "predicted 3.4e+10, unseen 100%" in line([], {**ROW, "predicted": 3.4e10, "predicted_rare": 1.0}).replace(
        "0e", "e"
    )


@pytest.mark.parametrize(
    ("low", "middle", "high", "said"),
    [(0.05, 0.1, 0.2, "0.1"), (-0.1, -0.02, 0.03, "< 0.03"), (-3e-9, -2e-9, -1e-9, "0")],
)
def test_a_bias_that_cannot_be_told_from_none_is_a_bound(low: float, middle: float, high: float, said: str) -> None:
    assert squared_bias({"bias2_low": low, "bias2": middle, "bias2_high": high}) == said


@pytest.mark.parametrize(
    ("low", "kappa", "high", "said"),
    [
        (0.01, 0.02, 0.03, "2.26 (1.6 to 2.9)"),
        (-0.01, -0.005, 0.03, "≈ 1 (1 to 2.9)"),
        (-0.03, -0.02, -0.01, "≈ 1 (κ below 0)"),
        (float("nan"), float("nan"), float("nan"), ""),
    ],
)
def test_a_cost_of_sharing_that_was_clipped_is_not_certain(low: float, kappa: float, high: float, said: str) -> None:
    row = {}
    for end, value in (("_low", low), ("", kappa), ("_high", high)):
        row |= {f"kappa{end}": value, f"sharing_cost{end}": 1 + 63 * max(value, 0) if value == value else value}
    assert sharing_cost(row) == said


def test_numbers_have_three_digits() -> None:
    assert [number(value) for value in (0.0, 0.02546, 1234.5, 1e-6, 3.38e10, float("inf"))] == [
        "0", "0.0255", "1230", "1.00e-06", "3.38e+10", "∞",
    ]  # fmt: skip
