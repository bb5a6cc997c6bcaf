"""Figures, captions and advice, from the three tables alone: they can be made anew without measuring again."""

from pathlib import Path

import pandas as pd

from artbp_exp.diagnosis.advice import advice
from artbp_exp.evidence.figures.common import save
from artbp_exp.evidence.figures.diagnosis import CAPTIONS, bias_and_variance, influence, variance_and_cost

ADVICE = "advice.txt"


def write(out: Path, table: pd.DataFrame, falls: pd.DataFrame, about: pd.DataFrame) -> None:
    """Writes what is made of `methods.csv`, `influence.csv` and `checkpoint.csv` beside them.

    Args:
        out: folder.
        table: of `methods.csv`.
        falls: of `influence.csv`.
        about: of `checkpoint.csv`, one row.
    """
    facts = about.iloc[0]
    figures = {"bias_and_variance": bias_and_variance(table), "influence": influence(falls, table)}
    if (table["comparison"] != "length").any():
        figures["variance_and_cost"] = variance_and_cost(table)
    for name, figure in figures.items():
        save(figure, out / name)
        text = f"{out.name}: {CAPTIONS[name]} Made by `{facts['command']}`.\n"
        (out / f"{name}.txt").write_text(text, encoding="utf-8")
    (out / ADVICE).write_text(advice(table, falls, facts), encoding="utf-8")


def again(out: Path) -> None:
    """The same from the CSVs in `out`."""
    write(out, *(pd.read_csv(out / f"{name}.csv") for name in ("methods", "influence", "checkpoint")))
