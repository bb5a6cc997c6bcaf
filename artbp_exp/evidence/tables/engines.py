"""Tables of what `artbp-bench` measured."""

import json
from pathlib import Path

import pandas as pd

from artbp_exp.evidence.tables.markdown import markdown


def bench(results: Path) -> str:
    """The ratios, and on what machine."""
    machine = json.loads((results / "bench" / "machine.json").read_text(encoding="utf-8"))
    where = f"{machine['device']}, {machine['threads']} thread, torch {machine['torch']}, Numba {machine['numba']}"
    table = (results / "bench" / "table.md").read_text(encoding="utf-8").strip()
    return f"`{machine['command']}` on {machine['date']}: {where}.\n\n{table}"


def ablations(results: Path) -> str:
    """What each device of the fused engine is worth."""
    return (results / "bench" / "ablations.md").read_text(encoding="utf-8").strip()


def gpu(results: Path) -> str:
    """Ratios and rates of `scripts/gpu_check.py`, and on what machine."""
    folder = results / "bench_gpu"
    machine = json.loads((folder / "machine.json").read_text(encoding="utf-8"))
    ratios, rates = (pd.read_csv(folder / f"{name}.csv") for name in ("ratios", "throughput"))
    sizes = sorted(rates["hidden"].unique())
    rows = []
    for what, group in ratios.groupby("what", sort=False):
        by_size = group.set_index("hidden")
        cells = (
            f"{row['ratio']:.2f} ({row['lower_quartile']:.2f} – {row['upper_quartile']:.2f})"
            for row in (by_size.loc[size] for size in sizes)
        )
        rows.append([str(what), *cells])
    for name, group in rates.groupby("contestant", sort=False):
        medians = group.set_index("hidden")["median"]
        rows.append([f"{name}: thousand symbols a second", *(f"{medians[size] / 1e3:.0f}" for size in sizes)])
    where = f"`{machine['command']}` on {machine['date']}: {machine['device']}, torch {machine['torch']}."
    return f"{where}\n\n{markdown(['what', *(f'hidden {size}' for size in sizes)], rows)}"
