"""How single values are written: a cell of a CSV, a value of strict JSON."""

import json
import math
from typing import Any


def cell(value: Any) -> Any:
    """What goes into a CSV: None is empty, a float has all its digits."""
    return "" if value is None else repr(value) if isinstance(value, float) else value


def strict_json(value: Any) -> str:
    """Indented JSON with a newline at its end. Strict JSON has no nan and no infinity: they become null."""
    return json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(below) for below in value]
    return value
