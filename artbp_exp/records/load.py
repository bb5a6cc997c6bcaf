"""Loads run folders back, for figures and tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from artbp_exp.records.summary import FINAL, read_summary


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run that has its result.

    Attributes:
        path: its folder.
        config: resolved configuration.
        summary: contents of `summary.json`.
    """

    path: Path
    config: dict[str, Any]
    summary: dict[str, Any]

    def metrics(self) -> pd.DataFrame:
        """`metrics.csv`."""
        return pd.read_csv(self.path / "metrics.csv")

    def segments(self) -> pd.DataFrame:
        """`segments.csv`: length (steps), count."""
        return pd.read_csv(self.path / "segments.csv")


def load_runs(root: str | Path) -> list[Run]:
    """Every run below `root` that has its result, in the order of their paths."""
    return list(_runs(Path(root)))


def _runs(root: Path) -> Iterator[Run]:
    for path in sorted(root.rglob("summary.json")):
        summary = read_summary(path.parent)
        config = path.with_name("config.yaml")
        if summary is None or summary.get("status") not in FINAL or not config.is_file():
            continue
        yield Run(
            path=path.parent,
            config=yaml.safe_load(config.read_text(encoding="utf-8")),
            summary=summary,
        )
