"""Reads `summary.json`: how a run ended."""

import json
from pathlib import Path
from typing import Any

FINAL = ("finished", "diverged")
"""Statuses of a run that has its result; the others are `interrupted` and `failed`."""


def read_summary(path: Path) -> dict[str, Any] | None:
    """A run folder's `summary.json`, None where there is none or it is broken."""
    try:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None
