"""The CSV of a verification."""

from pathlib import Path
from typing import Any

import pandas as pd

from artbp_exp.errors import UserError
from artbp_exp.files import try_writing

Row = dict[str, Any]


def check_writable(path: Path) -> None:
    """Makes the folder of the table, and says so at once where it could not be written in the end.

    Raises:
        UserError: `path` is a folder, or its own cannot be made or written to.
    """
    try:
        try_writing(path.parent)
        if path.is_dir():
            raise IsADirectoryError(None, "it is a folder")
    except OSError as error:
        raise _unwritable(path, error) from error


def write(path: Path, rows: list[Row], *, below: bool = False) -> None:
    """Writes the table.

    Args:
        path: of the CSV.
        rows: column → value.
        below: keep the rows that are there, and write these below.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table = pd.DataFrame(rows)
        if below:
            table = pd.concat([pd.read_csv(path), table])
        table.to_csv(path, index=False)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {error.strerror}; name another file with verify.csv=…")
