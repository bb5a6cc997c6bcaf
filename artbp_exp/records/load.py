"""Loads run folders back, for figures and tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artbp_exp.errors import UserError
from artbp_exp.records.status import read_config
from artbp_exp.records.summary import FINAL, read_summary


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, as its folder has it.

    Attributes:
        path: its folder.
        config: resolved configuration.
        summary: contents of `summary.json`; empty where it was not written yet.
    """

    path: Path
    config: dict[str, Any]
    summary: dict[str, Any]

    def metrics(self) -> pd.DataFrame:
        """`metrics.csv`.

        Raises:
            UserError: it cannot be read.
        """
        return _table(self.path / "metrics.csv")

    def at_epochs(self, column: str) -> pd.Series:
        """A column of `metrics.csv` at the end of each epoch, where it was written; indexed by the epoch."""
        values: pd.Series = self.metrics().dropna(subset=[column]).set_index("epoch")[column]
        return values

    def segments(self) -> pd.DataFrame:
        """`segments.csv`: length (steps), count.

        Raises:
            UserError: it cannot be read.
        """
        return _table(self.path / "segments.csv")


def load_runs(root: str | Path) -> list[Run]:
    """Every run below `root` that has its result, in the order of their paths.

    Raises:
        UserError: a configuration cannot be read.
    """
    return [run for run in load_all(root) if has_result(run)]


def load_all(root: str | Path) -> list[Run]:
    """Every run below `root` that was begun: with its result, or interrupted, failed or going on.

    Raises:
        UserError: a configuration cannot be read.
    """
    return list(_runs(Path(root)))


def has_result(run: Run) -> bool:
    """Whether it finished or diverged."""
    return run.summary.get("status") in FINAL


def _table(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a CSV ({error}); restore it, or move its folder away") from error


def _runs(root: Path) -> Iterator[Run]:
    for file in sorted(root.rglob("config.yaml")):
        path = file.parent
        yield Run(path=path, config=read_config(path) or {}, summary=read_summary(path) or {})
