"""A measured method in a few characters."""

from typing import Any

import numpy as np

DASH = "–"


def said(row: Any) -> str:
    """The method of a row of `methods.csv`."""
    if row["method"] == "tbptt":
        return f"truncated L = {row['length']:g}{', random phase' if row.get('schedule') == 'random' else ''}"
    if row["method"] != "artbp":
        length = "" if row["length"] is None or np.isnan(row["length"]) else f" L = {row['length']:g}"
        return {"bptt": "full BPTT"}.get(row["method"], f"{row['method']}{length}")
    schedule = f"α = {row['alpha']:g}" if row["schedule"] == "paper" else "constant"
    apart = f" every {row['every']:g}" if row["every"] > 1 else ""
    return f"{'ARTBP' if row['reweight'] else 'not reweighted'} L0 = {row['length']:g} {schedule}{apart}"


def number(value: float) -> str:
    """Three digits, without an exponent where a few zeros do; a dash for nan."""
    if np.isnan(value):
        return DASH
    if np.isinf(value):
        return "∞"
    if value and not 1e-4 <= abs(value) < 1e5:
        return f"{value:.2e}"
    return f"{float(f'{value:.3g}'):g}"


def count(updates: float) -> str:
    """A number of updates, to two digits: no more are known."""
    if np.isinf(updates):
        return "∞"
    return f"{float(f'{updates:.2g}'):,.0f}" if updates >= 10 else f"{updates:.2g}"


def squared_bias(row: Any) -> str:
    """The squared bias, or an upper bound where it cannot be distinguished from zero."""
    if row["bias2_low"] > 0:
        return number(row["bias2"])
    # rounding alone can leave the whole interval slightly below 0
    return f"< {number(row['bias2_high'])}" if row["bias2_high"] > 0 else "0"


def sharing_cost(row: Any) -> str:
    """1 + (B − 1)κ and its interval; marked as approximate where κ was clipped at 0."""
    if np.isnan(row["sharing_cost"]):
        return ""
    if row["kappa_high"] < 0:
        return "≈ 1 (κ below 0)"
    about = "≈ " if row["kappa"] < 0 else ""
    return f"{about}{row['sharing_cost']:.3g} ({row['sharing_cost_low']:.2g} to {row['sharing_cost_high']:.2g})"


def line(comparisons: list[str], row: Any) -> str:
    """What is printed of a row of `methods.csv`, with all comparisons it belongs to."""
    predicted = f"predicted {DASH}"
    if not np.isnan(row["predicted"]):
        predicted = f"predicted {number(row['predicted'])}, unseen {row['predicted_rare']:.0%}"
    recomputed = DASH if np.isnan(row["recomputed"]) else f"{row['recomputed']:.1%}"
    return (
        f"{said(row):<32} bias² {squared_bias(row):<10} variance {number(row['variance']):<9} ({predicted})"
        f"  cosine {number(row['cosine'])}  stored {number(row['stored_mean'])} (peak {number(row['stored_peak'])}, "
        f"kept {number(row['kept_peak'])}, recomputed {recomputed})  in: {', '.join(comparisons)}"
    )
