"""A tree of run folders as one tidy table: a row for each run, its settings and results as columns."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artbp_exp.errors import UserError
from artbp_exp.run_config import flatten
from artbp_exp.runs import lock
from artbp_exp.runs.identity import ADDED, COMPUTED, distinct, identity
from artbp_exp.runs.status import FINAL, READER, read_config, read_summary

TIMES = ("wall_seconds", "peak_memory_mib", "starts")
"""Columns on how a run went, not on its result: they differ when it is repeated."""

# how a run came to be, and what the settings say already
_NO_RESULTS = {
    *TIMES,
    *("command", "threads", "steps", "git_commit", "device", "theta_optimal"),
}


def collect(root: Path) -> tuple[pd.DataFrame, list[str]]:
    """Gathers every run below `root`, whatever has become of it.

    Returns:
        A table with the columns `path`, `status`, `reason`, the settings (`method.length`, `seed`, …), then what the
        summaries hold; and a line on each folder that could not be read.
    """
    settings: dict[str, None] = {}
    results: dict[str, None] = {}
    rows, skipped = [], []
    for file in sorted(root.rglob("config.yaml")):
        path = file.parent
        try:
            config = read_config(path, READER)
            chosen = identity(config or {})
        except UserError as error:
            skipped.append(str(error))
            continue
        if not {"task.name", "method.name", "seed"} <= chosen.keys():
            skipped.append(f"{file} is not the configuration of a run")
            continue
        summary = read_summary(path) or {}
        found = flatten({key: value for key, value in summary.items() if key not in ("status", "reason")})
        found = {key: value for key, value in found.items() if key not in ("task", "method", "length", "seed")}
        settings |= dict.fromkeys(chosen)
        results |= dict.fromkeys(found)
        status = "running" if lock.held(path) else summary.get("status", "killed")
        where = {"path": path.relative_to(root).as_posix(), "status": status, "reason": summary.get("reason")}
        rows.append(where | chosen | found)
    columns = ["path", "status", "reason", *settings, *(key for key in results if key not in settings)]
    return pd.DataFrame(rows, columns=columns), skipped


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Median and range over seeds of every number that came out, and how many runs diverged.

    A row for each combination of the settings that differ within `table`, the seed apart. Of runs that compute the same
    one counts, if possible one that has a result. Numbers are those of finished runs: a diverged run has none that
    means anything.
    """
    names = list(map(str, table.columns))
    computed = [c for c in names if c.split(".")[0] in COMPUTED]
    table = once(table, computed)
    varying = [
        c for c in computed if c in ("task.name", "method.name") or (c != "seed" and table[c].nunique(dropna=False) > 1)
    ]
    results = [c for c in names if c not in (*computed, *_NO_RESULTS) and _is_number(table[c])]
    rows = []
    for values, runs in table.groupby(varying, dropna=False, sort=True):
        done = runs[runs["status"].isin(FINAL)]
        finished = runs[runs["status"] == "finished"]
        row: dict[str, Any] = dict(zip(varying, values if isinstance(values, tuple) else (values,), strict=True))
        row["runs"] = len(runs)
        row["diverged"] = f"{(done['status'] == 'diverged').sum()}/{len(done)}"
        row["no result"] = len(runs) - len(done)
        row |= {name: _interval(pd.to_numeric(finished[name]).dropna()) for name in results}
        rows.append(row)
    return pd.DataFrame(rows)


def once(table: pd.DataFrame, computed: list[str]) -> pd.DataFrame:
    """Of the runs that compute the same one, if possible one that has a result; what old runs lack is filled in.

    `computed` are the columns that say what a run computes.
    """
    ordered = table.sort_values("status", key=lambda column: ~column.isin(FINAL), kind="stable")
    rows = [{c: row[c] for c in computed if pd.notna(row[c])} for _, row in ordered.iterrows()]
    chosen = ordered.iloc[distinct(rows)].sort_index()
    return chosen.fillna({c: value for c, value in ADDED.items() if c in computed})


def _interval(values: "pd.Series[float]") -> str:
    if values.empty:
        return ""
    low, middle, high = values.min(), float(np.median(values)), values.max()
    return f"{middle:.4g}" if low == high else f"{middle:.4g} ({low:.4g} to {high:.4g})"


def _is_number(column: "pd.Series[Any]") -> bool:
    known = column.dropna()
    return not known.empty and all(isinstance(v, int | float | np.number) and not isinstance(v, bool) for v in known)
