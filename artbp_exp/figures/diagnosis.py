"""Figures of `artbp-diagnose`: what truncation costs, and how far influence reaches."""

import matplotlib as mpl
import matplotlib.lines
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from artbp_exp.figures.common import STYLE

CAPTIONS = {
    "bias_and_variance": (
        "squared bias and variance of the gradient against the mean length, relative to the squared true gradient; "
        "bars: 95 % bootstrap intervals, and for truncated BPTT the range over offsets of its cuts; crosses: the "
        "variance that the formula predicts, where draws can show most of it. A bias below its interval's reach is "
        "drawn at the upper end, hollow."
    ),
    "variance_and_cost": (
        "relative variance against the exponent α (right-most: constant hazard), at equal mean length and at equal "
        "memory, and variance × mean stored steps; crosses: predicted, where draws can show most of it."
    ),
    "influence": (
        "root mean square of ∂ℓ_t/∂s_(t−k) against the lag k, with 95 % bootstrap intervals; the faster it falls, "
        "the lighter the tail of segment lengths may be."
    ),
}
MOSTLY = 0.5
"""Share of the predicted variance that draws cannot show, beyond which it is not drawn beside the measured one."""

KINDS = {
    "truncated BPTT": "#D55E00",
    "ARTBP, paper's schedule": "#0072B2",
    "ARTBP, constant hazard": "#CC79A7",
    "random cuts, not reweighted": "#009E73",
}


def kind(row: pd.Series) -> str:
    """What a row is called in the figures."""
    if row["method"] == "tbptt":
        return "truncated BPTT"
    if not row["reweight"]:
        return "random cuts, not reweighted"
    return "ARTBP, paper's schedule" if row["schedule"] == "paper" else "ARTBP, constant hazard"


def bias_and_variance(table: pd.DataFrame) -> Figure:
    """Relative squared bias and variance against the (mean) length."""
    with mpl.rc_context(fname=STYLE):
        figure = Figure()
        left, right = figure.subplots(1, 2)
        rows = table[table["comparison"] == "length"]
        for index, (name, color) in enumerate(KINDS.items()):
            mine = rows[rows.apply(kind, axis=1) == name].sort_values("length")
            if mine.empty:
                continue
            at = mine["length"] * (1 + 0.03 * (index - 1.5))
            seen = mine["bias2_low"] > 0
            left.plot(at, mine["bias2"].where(seen, mine["bias2_high"].clip(lower=1e-12)), color=color, linewidth=0.7)
            _bars(left, at[seen], mine[seen], "bias2", color, name)
            left.plot(at[~seen], mine["bias2_high"][~seen], "v", color=color, markerfacecolor="white", markersize=5)
            drawn = mine["variance"] > 0
            _bars(right, at[drawn], mine[drawn], "variance", color, name)
            right.plot(at[drawn], mine["variance"][drawn], color=color, linewidth=0.7)
            right.plot(at, _shown(mine), "x", color="black", markersize=5)
        left.set(xscale="log", yscale="log", xlabel="(mean) length, steps", title="Squared bias / ‖g‖²")
        right.set(xscale="log", yscale="log", xlabel="mean length, steps", title="Variance / ‖g‖² (×: predicted)")
        for axes in (left, right):
            ticks = sorted(rows["length"].unique())
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.xaxis.set_minor_locator(NullLocator())
        handles = [mpl.lines.Line2D([], [], color=color, marker="o", label=name) for name, color in KINDS.items()]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=6.5)
        return figure


def _shown(rows: pd.DataFrame) -> pd.Series:
    """The predicted variance, but where it is in segments that are too rare to be among the draws."""
    return rows["predicted"].where(rows["predicted_rare"] < MOSTLY)


def _bars(axes: Axes, at: pd.Series, rows: pd.DataFrame, column: str, color: str, name: str) -> None:
    middle, low, high = (rows[key].to_numpy() for key in (column, f"{column}_low", f"{column}_high"))
    error = [np.maximum(middle - low, 0), np.maximum(high - middle, 0)]
    axes.errorbar(at, middle, yerr=error, fmt="o", color=color, markersize=3.5, linewidth=1, capsize=2, label=name)


def variance_and_cost(table: pd.DataFrame) -> Figure:
    """Variance, and variance × stored steps, against α; the constant hazard stands at the right."""
    with mpl.rc_context(fname=STYLE):
        figure = Figure()
        left, right = figure.subplots(1, 2)
        for comparison, color in (("equal length", "#0072B2"), ("equal memory", "#D55E00")):
            rows = table[(table["comparison"] == comparison) & (table["method"] == "artbp") & table["reweight"]]
            constant = float(rows["alpha"].max()) * 1.5
            rows = rows.assign(at=rows["alpha"].fillna(constant)).sort_values("at")
            stored = rows["stored_mean_theory"]
            for axes, scale in ((left, 1.0), (right, stored)):
                low, middle, high = (rows[key] * scale for key in ("variance_low", "variance", "variance_high"))
                axes.errorbar(
                    rows["at"],
                    middle,
                    yerr=[(middle - low).clip(lower=0), (high - middle).clip(lower=0)],
                    fmt="o-",
                    color=color,
                    markersize=3.5,
                    capsize=2,
                    label=f"at {comparison}",
                )
                axes.plot(rows["at"], _shown(rows) * scale, "x", color="black", markersize=5)
            ticks = [*rows["alpha"].dropna(), constant]
            for axes in (left, right):
                axes.set(xscale="log", yscale="log", xlabel="exponent α")
                axes.set_xticks(ticks, [*(f"{tick:g}" for tick in ticks[:-1]), "const."])
                axes.xaxis.set_minor_locator(NullLocator())
        left.set_title("Variance / ‖g‖² (×: predicted)")
        right.set_title("Variance × mean stored steps")
        left.legend()
        return figure


def influence(falls: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Influence against the lag, beside √(1 − c)^k of the constant hazards: slower than that has infinite variance."""
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(4.6, 3.0))
        axes = figure.subplots()
        axes.plot(falls["lag"], falls["influence"], color="#0072B2", label="‖∂ℓ$_t$/∂s$_{t−k}$‖, root mean square")
        axes.fill_between(falls["lag"], falls["low"], falls["high"], color="#0072B2", alpha=0.2, linewidth=0)
        first = float(falls["influence"].iloc[0]) or float(falls["influence"].max())
        constant = table[(table["schedule"] == "constant") & (table["comparison"] == "length") & table["reweight"]]
        lowest = float(falls["influence"][falls["influence"] > 0].min())
        bottom = max(lowest, first * 1e-12) / 3
        for length in sorted(constant["length"].unique()):
            line = first * (1 - 1 / length) ** (falls["lag"] / 2)
            axes.plot(falls["lag"], line, color="black", linewidth=0.7, linestyle=":")
            seen = line[line > 8 * bottom].index[-1]
            # beside a line that leaves by the bottom, above one that reaches the right edge
            side, off = ("right", (0, 6)) if seen == line.index[-1] else ("left", (3, 0))
            at = (falls["lag"][seen], line[seen])
            axes.annotate(f"$L_0$ = {length:g}", at, off, textcoords="offset points", fontsize=6, ha=side)
        axes.plot([], [], "k:", linewidth=0.7, label="√(1 − 1/$L_0$)$^k$: a steeper fall suits a constant hazard")
        axes.set(yscale="log", xlabel="lag k, steps", ylabel="influence", ylim=(bottom, None))
        axes.legend(loc="lower left", fontsize=6.5, frameon=True, edgecolor="none")
        return figure
