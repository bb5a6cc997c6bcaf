"""Reads the report's CSVs."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from artbp_exp.runs.load import read_table


def read(path: Path, columns: Collection[str] = (), *, words: Collection[str] = ()) -> pd.DataFrame:
    """As `read_table`; without a row where the CSV is not there."""
    return read_table(path, columns, words=words) if path.is_file() else pd.DataFrame(columns=list(columns))
