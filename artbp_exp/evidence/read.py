"""Reads the report's CSVs."""

from collections.abc import Collection
from pathlib import Path

import pandas as pd

from artbp_exp.errors import UserError
from artbp_exp.runs.validation import flaw


def read(path: Path, columns: Collection[str] = (), *, words: Collection[str] = ()) -> pd.DataFrame | None:
    """A CSV, None where it is not there.

    Args:
        path: of the CSV.
        columns: that it must have, among others.
        words: those of the columns that need not be numbers.

    Raises:
        UserError: it cannot be read, lacks a column, or has something else where a number should be.
    """
    if not path.is_file():
        return None
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as a CSV ({error}); restore it, or move it away") from error
    if lacking := [column for column in columns if column not in table]:
        raise UserError(f"{path} has no column {', '.join(lacking)}: it is not what the report reads; move it away")
    if said := flaw(table, [column for column in columns if column not in words]):
        raise UserError(f"{path} {said}; restore it, or move it away")
    return table
