"""The authors' training logs on Penn Treebank: their cell of 1000 units, the state reset at every cut."""

from pathlib import Path

import pandas as pd
from scipy import stats

from artbp_exp.evidence.ptb_runs import late
from artbp_exp.evidence.read import read
from artbp_exp.evidence.statistics import Spread

FILE = Path("authors", "ptb_logs.csv")
COLUMNS = ("method", "run", "batch_size", "forget_bias", "epoch", "train_bpc", "valid_bpc")
SETTING = {"batch_size": 64, "forget_bias": 2}
"""Of the runs with replicates."""


def logs(results: Path) -> pd.DataFrame:
    """All of them, a row for each run and epoch; no row where they are not there."""
    return read(results / FILE, COLUMNS, words=("method",))


def replicated(table: pd.DataFrame) -> pd.DataFrame:
    """The runs at B = 64 with forget bias 2, five of each method."""
    chosen: pd.DataFrame = table[(table[list(SETTING)] == pd.Series(SETTING)).all(axis=1)]
    return chosen


def lead(table: pd.DataFrame) -> Spread | None:
    """ARTBP's lead, its interval by Welch's t, at our runs' end point: the mean over the last quarter of epochs."""
    mine = replicated(table)
    if mine.empty:
        return None
    last = mine[mine["epoch"] > mine["epoch"].max() - late(int(mine["epoch"].max()))]
    ends = last.groupby(["method", "run"])["valid_bpc"].mean()
    found = stats.ttest_ind(ends["tbptt"], ends["artbp"], equal_var=False).confidence_interval()
    value = float(ends["tbptt"].mean() - ends["artbp"].mean())
    return Spread(points=(value,), center=value, low=float(found.low), high=float(found.high), statistic="mean")


def at_epoch(table: pd.DataFrame, epoch: int, column: str = "valid_bpc") -> dict[str, tuple[float, float]]:
    """Method → (mean, standard deviation) over the replicated runs."""
    mine = replicated(table)
    groups = mine[mine["epoch"] == epoch].groupby("method")[column]
    return {str(method): (float(values.mean()), float(values.std())) for method, values in groups}
