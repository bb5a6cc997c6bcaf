"""Figures are drawn from the tables of a diagnosis, whatever is missing in them."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from artbp_exp.evidence.figures.diagnosis import bias_and_variance, draw, variance_and_cost

EVIDENCE = Path(__file__).parents[3] / "results" / "diagnose" / "ptb"


@pytest.mark.parametrize(
    "kept", ["method == 'tbptt'", "comparison == 'length'", "comparison != 'length'", "alpha != alpha"]
)
def test_tables_with_a_part_missing_are_drawn(kept: str, tmp_path: Path) -> None:
    for name in ("influence", "checkpoint"):
        shutil.copy(EVIDENCE / f"{name}.csv", tmp_path)
    pd.read_csv(EVIDENCE / "methods.csv").query(kept).to_csv(tmp_path / "methods.csv", index=False)
    draw(tmp_path)
    assert {"influence.png", "bias_and_variance.png", "bias_and_variance.txt"} <= {p.name for p in tmp_path.iterdir()}


def test_a_method_of_ones_own_is_drawn_under_its_name() -> None:
    table = pd.read_csv(EVIDENCE / "methods.csv")
    other = {**table.iloc[0], "method": "mine", "schedule": np.nan, "alpha": np.nan, "length": np.nan}
    figure = bias_and_variance(pd.concat([table, pd.DataFrame([other])]))
    assert "mine" in [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_variance_that_is_mostly_unseen_is_drawn_with_its_prediction() -> None:
    table = pd.read_csv(EVIDENCE / "methods.csv")
    table.loc[table["schedule"] == "constant", ["predicted", "predicted_rare"]] = [7.5, 0.9]
    left, right = variance_and_cost(table).axes
    assert [text.get_text() for text in left.texts] == ["↑ predicted 7.5"] * 2
    assert len(right.texts) == 2
