"""Figures of `artbp-diagnose`: what truncation costs, and how far influence reaches."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from artbp_exp.diagnosis.comparisons import RARE_LIMIT
from artbp_exp.evidence.figures.common import COLORS, color_of, house_style, note, save, shade
from artbp_exp.theory.influence_decay import fit_decay, least_length

CAPTIONS = {
    "bias_and_variance": (
        "squared bias and variance of the gradient against the mean length, as shares of the squared true gradient; "
        "bars: 95 % bootstrap intervals, and for truncated BPTT the range over offsets of its cuts; crosses: the "
        "variance that the formula predicts. Hollow circles with an arrow: most of the predicted variance, the number "
        "beside them, is in segments too rare to be among the draws, so that what was measured is too low. A bias that "
        "cannot be distinguished from zero is drawn at the upper end of its interval, a hollow triangle."
    ),
    "variance_and_cost": (
        "variance against the exponent α (right-most: constant hazard), as a share of the squared true gradient, at "
        "equal mean length and at equal memory, and variance × mean stored steps; bars: 95 % bootstrap intervals; "
        "crosses: predicted; hollow circles with an arrow: most of the predicted variance, the number beside them, is "
        "in segments too rare to be among the draws."
    ),
    "influence": (
        "root mean square of ∂ℓ_t/∂s_(t−k) against the lag k, with 95 % bootstrap intervals. From where the tail "
        "begins: the line fitted to it, and the falls that constant hazards of several L0 can bear, √(1 − 1/L0) a "
        "step; where influence falls more slowly than that, the variance of a constant hazard has no bound."
    ),
}
KINDS = {
    "truncated BPTT": COLORS["tbptt"],
    "ARTBP, paper's schedule": COLORS["artbp"],
    "ARTBP, constant hazard": COLORS["constant"],
    "random cuts, not reweighted": COLORS["random"],
}


def draw(folder: Path) -> None:
    """Draws the figures of `artbp-diagnose` from the CSVs in `folder`, with a caption beside each.

    Raises:
        UserError: they cannot be written.
    """
    table, influences, about = (pd.read_csv(folder / f"{name}.csv") for name in ("methods", "influence", "checkpoint"))
    figures = {"bias_and_variance": bias_and_variance(table), "influence": influence(influences, table)}
    if (table["comparison"] != "length").any():
        figures["variance_and_cost"] = variance_and_cost(table)
    for name, figure in figures.items():
        save(figure, folder / name)
        caption = f"{folder.name}: {CAPTIONS[name]} Made by `{about['command'].iloc[0]}`.\n"
        (folder / f"{name}.txt").write_text(caption, encoding="utf-8")


def _colors(rows: pd.DataFrame) -> dict[str, str]:
    others = [name for name in dict.fromkeys(rows.apply(kind, axis=1)) if name not in KINDS] if len(rows) else []
    return KINDS | {name: color_of(name) for name in others}


def kind(row: pd.Series) -> str:
    """What a row is called in the figures."""
    if row["method"] == "tbptt":
        return "truncated BPTT"
    if row["method"] != "artbp":
        return str(row["method"])
    if not row["reweight"]:
        return "random cuts, not reweighted"
    return "ARTBP, paper's schedule" if row["schedule"] == "paper" else "ARTBP, constant hazard"


@house_style
def bias_and_variance(table: pd.DataFrame) -> Figure:
    """Relative squared bias and variance against the (mean) length."""
    figure = Figure()
    left, right = figure.subplots(1, 2)
    rows = table[table["comparison"] == "length"]
    colors = _colors(rows)
    for index, (name, color) in enumerate(colors.items()):
        mine = rows[rows.apply(kind, axis=1) == name].sort_values("length")
        if mine.empty:
            continue
        at = mine["length"] * (1 + 0.03 * (index - 1.5))
        seen = mine["bias2_low"] > 0
        left.plot(at, mine["bias2"].where(seen, mine["bias2_high"].clip(lower=1e-12)), color=color, linewidth=0.7)
        _bars(left, at[seen], mine[seen], "bias2", fmt="o", color=color, linewidth=1)
        left.plot(at[~seen], mine["bias2_high"][~seen], "v", color=color, markerfacecolor="white", markersize=5)
        drawn = mine["variance"] > 0
        _bars(right, at[drawn], mine[drawn], "variance", fmt="o", color=color, linewidth=1)
        right.plot(at[drawn], mine["variance"][drawn], color=color, linewidth=0.7)
        right.plot(at, _shown(mine), "x", color="black", markersize=5)
        _unseen(right, at, mine, color)
    left.set(xscale="log", yscale="log", xlabel="(mean) length, steps", ylabel="squared bias / ‖g‖²")
    right.set(xscale="log", yscale="log", xlabel="mean length, steps", ylabel="variance / ‖g‖²")
    left.set_title("Squared bias")
    right.set_title("Variance (×: predicted)")
    for axes in (left, right):
        ticks = sorted(rows["length"].dropna().unique())
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        _plain(axes)
    right.set_visible(bool((rows["variance"] > 0).any()))
    handles = [Line2D([], [], color=color, marker="o", label=name) for name, color in colors.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize=6.5)
    note(
        figure,
        "bars: 95 % interval (truncated BPTT: range over offsets of its cuts); ▽: cannot be distinguished from 0, "
        "upper end of the interval",
    )
    return figure


def _shown(rows: pd.DataFrame) -> pd.Series:
    """The predicted variance, except where it is in segments that are too rare to be among the draws."""
    return rows["predicted"].where(rows["predicted_rare"] < RARE_LIMIT)


def _unseen(axes: Axes, at: pd.Series, rows: pd.DataFrame, color: str, scale: Any = 1.0) -> None:
    """Hollow, with an arrow and the predicted value, where most of that is in segments too rare to be drawn."""
    for where in rows.index[rows["predicted_rare"] >= RARE_LIMIT]:
        middle = (rows["variance"] * scale)[where]
        axes.plot(at[where], middle, "o", color=color, markerfacecolor="white", markersize=3.5, zorder=4)
        text = f"↑ predicted {(rows['predicted'] * scale)[where]:.2g}"
        axes.annotate(text, (at[where], middle), (5, 3), textcoords="offset points", fontsize=6, color=color)


def _plain(axes: Axes) -> None:
    """1, 2, 5, 10, … where the axis spans little, powers of ten where it spans much."""
    low, high = axes.get_ylim()
    if high < 300 * low:
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 4, 5, 6, 8)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def _bars(axes: Axes, at: pd.Series, rows: pd.DataFrame, column: str, scale: Any = 1.0, **look: Any) -> None:
    middle, low, high = (rows[key] * scale for key in (column, f"{column}_low", f"{column}_high"))
    error = [(middle - low).clip(lower=0), (high - middle).clip(lower=0)]
    axes.errorbar(at, middle, yerr=error, markersize=3.5, capsize=2, **look)


@house_style
def variance_and_cost(table: pd.DataFrame) -> Figure:
    """Variance, and variance × stored steps, against α; the constant hazard stands at the right."""
    figure = Figure()
    left, right = figure.subplots(1, 2)
    sound = table[(table["method"] == "artbp") & table["reweight"] & (table["comparison"] != "length")]
    exponents = sorted(sound["alpha"].dropna().unique())
    constant = 1.5 * max(exponents, default=1.0)
    for index, comparison in enumerate(("equal length", "equal memory")):
        color = shade(COLORS["artbp"], index, 2)
        rows = sound[sound["comparison"] == comparison]
        if rows.empty:
            continue
        rows = rows.assign(at=rows["alpha"].fillna(constant)).sort_values("at")
        stored = rows["stored_mean_theory"]
        at = (
            f"$L_0$ = {rows['length'].iloc[0]:g}"
            if comparison == "equal length"
            else f"{stored.iloc[0]:.0f} stored steps"
        )
        for axes, scale in ((left, 1.0), (right, stored.where(np.isfinite(stored)))):
            _bars(axes, rows["at"], rows, "variance", scale, fmt="o-", color=color, label=f"at {comparison}, {at}")
            axes.plot(rows["at"], _shown(rows) * scale, "x", color="black", markersize=5)
            _unseen(axes, rows["at"], rows, color, scale)
    for axes in (left, right):
        axes.set(xscale="log", yscale="log", xlabel="exponent α")
        axes.set_xticks([*exponents, constant], [*(f"{tick:g}" for tick in exponents), "const."])
        axes.xaxis.set_minor_locator(NullLocator())
        _plain(axes)
    left.set(title="Variance (×: predicted)", ylabel="variance / ‖g‖²")
    right.set(title="Variance × mean stored steps", ylabel="variance / ‖g‖² × steps")
    if len(sound):
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    note(
        figure,
        "const.: constant hazard; bars: 95 % interval; "
        "↑: most of the predicted variance is in segments too rare to be among the draws",
    )
    return figure


@house_style
def influence(falls: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Influence against the lag; from its tail on the line fitted, and √(1 − 1/L0)^k of the constant hazards."""
    figure = Figure(figsize=(4.6, 3.6))
    axes = figure.subplots()
    axes.plot(falls["lag"], falls["influence"], color=COLORS["artbp"], label="‖∂ℓ$_t$/∂s$_{t−k}$‖, root mean square")
    axes.fill_between(falls["lag"], falls["low"], falls["high"], color=COLORS["artbp"], alpha=0.2, linewidth=0)
    greatest = float(falls["influence"].max())
    lowest = float(falls["influence"][falls["influence"] > 0].min())
    found = fit_decay(falls)
    if found is not None:
        lags = np.arange(found.first, found.last + 1)
        needed = least_length(found.ratio)
        axes.plot(
            lags,
            found.level * found.ratio ** (lags - found.first),
            color="black",
            linestyle="--",
            linewidth=1,
            label=f"fit: {100 * (found.ratio - 1):+.2g} % a step, $L_0$ above {needed:.3g}".replace("-", "−"),
        )
        constant = table[(table["schedule"] == "constant") & (table["comparison"] == "length") & table["reweight"]]
        lengths = sorted(constant["length"].unique())
        for index, length in enumerate(lengths):
            line = found.level * (1 - 1 / length) ** ((lags - found.first) / 2)
            gray = str(0.35 + 0.4 * index / max(len(lengths) - 1, 1))
            label = f"√(1 − 1/$L_0$)$^k$, $L_0$ = {length:g}"
            axes.plot(lags, line, color=gray, linewidth=1, linestyle=[":", "-.", (0, (5, 1))][index % 3], label=label)
    axes.set(
        yscale="log",
        xlabel="lag k, steps",
        ylabel="influence, loss per unit of state",
        ylim=(max(lowest, greatest * 1e-12) / 3, None),
    )
    figure.legend(loc="outside lower center", ncols=2, fontsize=6.5)
    note(figure, "gray: the slowest decay that a constant hazard bears; band: 95 % interval")
    return figure
