"""Loads run folders, for figures and tables."""

import warnings
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from artbp_exp.runs.status import FINAL, READER, read_config, read_summary
from artbp_exp.runs.validation import RESULTS, SETTINGS, Kept, damaged, flaw


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, as its folder has it.

    Attributes:
        path: its folder.
        config: resolved configuration.
        summary: contents of `summary.json`; empty where it was not written yet, or is broken.

    A key that is missing in either is a `UserError` that names the file.
    """

    path: Path
    config: dict[str, Any]
    summary: dict[str, Any]

    def metrics(self, *columns: str) -> pd.DataFrame:
        """`metrics.csv`, which must have these columns, as numbers or blank."""
        return read_table(self.path / "metrics.csv", columns)

    def at_epochs(self, column: str) -> pd.Series:
        """A column of `metrics.csv` at the end of each epoch, where it was written; indexed by the epoch."""
        values: pd.Series = self.metrics("epoch", column).dropna(subset=[column]).set_index("epoch")[column]
        return values

    def segments(self) -> pd.DataFrame:
        """`segments.csv`: length (steps), count."""
        file = self.path / "segments.csv"
        table = read_table(file, ("length", "count"))
        if table.empty or table[["length", "count"]].isna().any(axis=None):
            damaged(file, "lacks lengths or counts")
        return table

    def steps_per_segment(self) -> float:
        """Mean length of the segments drawn, in steps: Σ N / number of segments."""
        drawn = self.segments()
        return float((drawn["length"] * drawn["count"]).sum() / drawn["count"].sum())

    def stored_steps(self) -> float:
        """Mean number of stored steps over time, of the segments drawn: Σ N(N − 1)/2 / Σ N."""
        drawn = self.segments()
        length, count = drawn["length"], drawn["count"]
        return float((length * (length - 1) / 2 * count).sum() / (length * count).sum())


def load_runs(root: str | Path) -> list[Run]:
    """Every run below `root` that has its result, in the order of their paths. Warns of a broken summary."""
    return [run for run in load_all(root) if has_result(run)]


def load_all(root: str | Path) -> list[Run]:
    """Every run below `root` that was begun, as `load_runs`: with its result, or interrupted, failed or going on."""
    return list(_runs(Path(root)))


def has_result(run: Run) -> bool:
    """Whether it finished or diverged."""
    return run.summary.get("status") in FINAL


def read_table(path: Path, columns: Collection[str], *, words: Collection[str] = ()) -> pd.DataFrame:
    """A CSV, which must have these columns: as numbers or blank, but for those among `words`."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        damaged(path, f"cannot be read as a CSV ({error})")
    if lacking := [column for column in columns if column not in table]:
        damaged(path, f"has no column {', '.join(lacking)}")
    if said := flaw(table, [column for column in columns if column not in words]):
        damaged(path, said)
    return table


def _runs(root: Path) -> Iterator[Run]:
    for file in sorted(root.rglob("config.yaml")):
        path, summary = file.parent, file.parent / "summary.json"
        result = read_summary(path)
        if result is None and summary.exists():
            # its run is left out, which can turn a verdict: never without a word
            warnings.warn(f"{summary} is broken: its run counts as one without a result; restore it", stacklevel=2)
        yield Run(
            path=path,
            config=Kept(file, read_config(path, READER) or {}, SETTINGS),
            summary=Kept(summary, result or {}, RESULTS),
        )
