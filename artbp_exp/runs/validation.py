"""Damaged records: a value that its readers cannot use is one line that names the file."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Never

import pandas as pd

from artbp_exp.errors import UserError

NUMBER = (int, float, type(None))
"""A null is a number that is not finite, or no number (the length of full BPTT)."""

SETTINGS: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("task", "method", "model", "optimizer"), (dict,)),
    **dict.fromkeys(("task.name", "method.name", "model.name", "optimizer.name"), (str,)),
    **dict.fromkeys(("method.length", "optimizer.lr", "model.theta", "task.epochs"), NUMBER),
    "seed": (int,),
}
"""Settings that figures and tables read → their types, where they are present."""

RESULTS: Mapping[str, tuple[type, ...]] = {
    "method": (str,),
    **dict.fromkeys(("valid_bpc", "valid_loss", "test_bpc", "loss", "theta", "theta_optimal"), NUMBER),
    **dict.fromkeys(("length", "steps", "chance", "floor", "score"), NUMBER),
}
"""The same of a summary."""


def damaged(file: Path, what: str) -> Never:
    """Refuses a file: of a run, which is moved away as a whole, or a table beside the runs."""
    moved = "its folder" if (file.parent / "config.yaml").is_file() else "it"
    raise UserError(f"{file} {what}; restore it, or move {moved} away")


class Kept(dict[str, Any]):
    """What a file holds; asked for a key that is not there, it says so in a line that names the file.

    A value of a wrong type is refused at once: `kinds` maps a dotted key to the types that it may have.
    """

    def __init__(self, file: Path, values: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], prefix: str = ""):
        super().__init__()
        self._file, self._prefix = file, prefix
        for key, value in values.items():
            name = f"{prefix}{key}"
            if name in kinds and not isinstance(value, kinds[name]):
                damaged(file, f"has {name}: {value!r}, which is not {_said(kinds[name])}")
            self[key] = Kept(file, value, kinds, f"{name}.") if isinstance(value, dict) else value

    def __missing__(self, key: str) -> Never:
        damaged(self._file, f"has no {self._prefix}{key}")


def _said(kinds: tuple[type, ...]) -> str:
    return {dict: "a group of settings", str: "a name", int: "a number"}[kinds[0]]


def flaw(table: pd.DataFrame, numbers: Collection[str]) -> str:
    """The first cell of these columns, where they are there, that is neither a number nor blank, in words."""
    for column in (name for name in numbers if name in table):
        cells = table[column]
        wrong = cells[pd.to_numeric(cells, errors="coerce").isna() & cells.notna()]
        if len(wrong):
            return f"has {wrong.iloc[0]!r} in its column {column}, which is not a number"
    return ""
