"""Figures: how a loss falls as training goes on, a line for each arm."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artbp_exp.evidence.arms import kind, label
from artbp_exp.evidence.figures.common import LINES, band, color_of, house_style
from artbp_exp.evidence.read import grouped
from artbp_exp.runs.load import Run


@house_style
def balancing_figure(runs: list[Run]) -> Figure:
    """Influence balancing: the loss and θ against steps, both to the end of each arm."""
    figure = Figure()
    left, right = figure.subplots(1, 2)
    for axes, column in ((left, "loss"), (right, "theta")):
        _lines(axes, runs, column)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="steps",
        ylabel="loss",
        title="Loss (of PES: its particles')",
        ylim=(1e-31, 1e12),
    )
    optimum = runs[0].summary["theta_optimal"]
    right.axhline(optimum, color="black", linewidth=0.9, linestyle=(0, (1, 2)))
    right.annotate(
        "θ*",
        (0.99, optimum),
        xycoords=("axes fraction", "data"),
        xytext=(0, -11),
        textcoords="offset points",
        ha="right",
    )
    right.set_yscale("symlog", linthresh=1.0)
    right.set(xscale="log", xlabel="steps", ylabel="θ", title="Parameter", ylim=(-1e3, 1e3))
    left.legend(loc="lower left")
    return figure


@house_style
def levels_figure(panels: Mapping[str, list[Run]]) -> Figure:
    """The held-out loss between chance and floor against steps, a panel for each task."""
    figure = Figure(figsize=(4.4 * len(panels), 3.9))
    for axes, (title, runs) in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True):
        _lines(axes, runs, "valid_loss")
        for level in ("chance", "floor"):
            height = runs[0].summary.get(level)
            if height is not None:
                axes.axhline(height, color="black", linewidth=0.9, linestyle=(0, (1, 2)))
                axes.annotate(
                    level,
                    (0.99, height),
                    xycoords=("axes fraction", "data"),
                    xytext=(0, 2),
                    textcoords="offset points",
                    ha="right",
                    fontsize=7.5,
                )
        axes.set(xlabel="steps", ylabel="held-out loss (nats a target)", title=title)
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22))
    return figure


def _lines(axes: Axes, runs: list[Run], column: str) -> None:
    for index, (arm, members) in enumerate(grouped(runs, label).items()):
        tables = [run.metrics("step", column).dropna(subset=[column]) for run in members]
        rows = min(map(len, tables))
        grid = np.max([table["step"].to_numpy()[:rows] for table in tables], axis=0)  # by when every seed has its row
        seeds = f"{len(members)} seeds" if len(members) > 1 else "1 run"
        look = {"color": color_of(kind(members[0])), "linestyle": LINES[index % len(LINES)]}
        band(axes, members, column, grid, label=f"{arm} ({seeds})", **look)


@house_style
def law_figure(table: pd.DataFrame) -> Figure:
    """TPROP's bias against λ, and truncated BPTT's."""
    figure = Figure(figsize=(4.2, 3.0))
    axes = figure.subplots()
    rows = table.dropna(subset=["strength"])
    own, cut = color_of("tprop"), color_of("tbptt")
    axes.plot(rows["strength"], rows["error"], "o-", color=own, label="TPROP, free states solved for")
    last = rows.iloc[-1]
    line = last["error"] * last["strength"] / rows["strength"]
    axes.plot(rows["strength"], line, color="black", linewidth=0.9, linestyle=(0, (1, 2)), label="1/λ")
    level = float(table[table["strength"].isna()]["error"].iloc[0])
    axes.axhline(level, color=cut, linestyle="--", label="truncated BPTT, segments of the same length")
    axes.set(xscale="log", yscale="log", xlabel="λ, strength of the springs", ylabel="relative error of the gradient")
    axes.set_title("Target propagation on influence balancing, 6 blocks of 5 steps")
    axes.legend(loc="lower left")
    return figure
