"""Tables of what `artbp-bench` measured."""

import json
from pathlib import Path


def bench(results: Path) -> str:
    """The ratios, and on what machine."""
    machine = json.loads((results / "bench" / "machine.json").read_text(encoding="utf-8"))
    where = f"{machine['device']}, {machine['threads']} thread, torch {machine['torch']}, Numba {machine['numba']}"
    table = (results / "bench" / "table.md").read_text(encoding="utf-8").strip()
    return f"`{machine['command']}` on {machine['date']}: {where}.\n\n{table}"


def ablations(results: Path) -> str:
    """What each device of the fused engine is worth."""
    return (results / "bench" / "ablations.md").read_text(encoding="utf-8").strip()
