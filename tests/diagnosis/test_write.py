"""Figures and advice are made of the tables, whatever is missing in them."""

from pathlib import Path

import pandas as pd
import pytest

from artbp_exp.diagnosis.write import write
from artbp_exp.evidence.figures.diagnosis import variance_and_cost

EVIDENCE = Path(__file__).parents[2] / "results" / "diagnose" / "ptb"


@pytest.mark.parametrize(
    "kept", ["method == 'tbptt'", "comparison == 'length'", "comparison != 'length'", "alpha != alpha"]
)
def test_tables_with_a_part_missing_are_drawn(kept: str, tmp_path: Path) -> None:
    table, falls, about = (pd.read_csv(EVIDENCE / f"{one}.csv") for one in ("methods", "influence", "checkpoint"))
    write(tmp_path, table.query(kept), falls, about)
    assert {"advice.txt", "influence.png", "bias_and_variance.png"} <= {path.name for path in tmp_path.iterdir()}


def test_a_variance_that_is_mostly_unseen_is_drawn_with_its_prediction() -> None:
    table = pd.read_csv(EVIDENCE / "methods.csv")
    table.loc[table["schedule"] == "constant", ["predicted", "predicted_rare"]] = [7.5, 0.9]
    left, right = variance_and_cost(table).axes
    assert [text.get_text() for text in left.texts] == ["↑ predicted 7.5"] * 2
    assert len(right.texts) == 2
