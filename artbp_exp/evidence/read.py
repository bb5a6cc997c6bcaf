"""Reads the report's CSVs, and groups runs."""

from collections.abc import Callable, Collection, Hashable, Iterable
from pathlib import Path
from typing import TypeVar

import pandas as pd

from artbp_exp.runs.load import Run, read_table

Key = TypeVar("Key", bound=Hashable)


def read(path: Path, columns: Collection[str] = (), *, words: Collection[str] = ()) -> pd.DataFrame:
    """As `read_table`; without a row where the CSV is not there."""
    return read_table(path, columns, words=words) if path.is_file() else pd.DataFrame(columns=list(columns))


def grouped(runs: Iterable[Run], key: Callable[[Run], Key]) -> dict[Key, list[Run]]:
    """Key → its runs, in the order in which keys first appear."""
    found: dict[Key, list[Run]] = {}
    for run in runs:
        found.setdefault(key(run), []).append(run)
    return found
