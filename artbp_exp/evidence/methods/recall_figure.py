"""Figure: the share of seeds that learn to recall, over lag × method."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import house_style
from artbp_exp.evidence.methods.recall import LEARNED, SECONDS, STEPS, Row, rows
from artbp_exp.runs.load import Run


@house_style
def recall_figure(runs: list[Run]) -> Figure:
    """Two maps of arm × lag, at equal steps and at equal time; a cell says how many of the seeds have learned."""
    table = rows(runs)
    lags = sorted({lag for row in table for lag in row.by_steps})
    figure = Figure(figsize=(9.0, 1.3 + 0.29 * (len(table) + 1.0 * len({row.rank for row in table}))))
    left, right = figure.subplots(1, 2, sharey=True)
    heights = _heights(table)
    for axes, shares, title in (
        (left, [row.by_steps for row in table], f"after {STEPS:,} steps"),
        (right, [row.by_time for row in table], f"after {SECONDS:g} s of one core"),
    ):
        for height, row, found in zip(heights, table, shares, strict=True):
            _cells(axes, height, row, [found.get(lag, []) for lag in lags])
        axes.set(xlim=(-0.5, len(lags) - 0.5), ylim=(max(heights) + 0.6, -1.2), xlabel="lag k (steps)", title=title)
        axes.set_xticks(range(len(lags)), [str(lag) for lag in lags])
        axes.grid(False)
        axes.tick_params(length=0)
        for side in ("left", "bottom"):
            axes.spines[side].set_visible(False)
    left.set_yticks(heights, [f"{row.label}  ({row.memory:,.0f})" for row in table])
    for tick, row in zip(left.get_yticklabels(), table, strict=True):
        tick.set_color(row.color)
    _headings(left, table, heights)
    figure.suptitle(
        f"Seeds that learn to recall a sign from k steps ago (loss below {LEARNED:g} of chance)\n"
        "in brackets: numbers kept for a stream, alike within a block; no cell: not run",
        fontsize=9.5,
    )
    return figure


def _heights(table: list[Row]) -> list[float]:
    """Where each row stands: a gap, for a heading, before each class of memory."""
    ranks = [row.rank for row in table]
    firsts = np.cumsum([index > 0 and ranks[index] != ranks[index - 1] for index in range(len(ranks))])
    return [index + 0.9 * float(gaps) for index, gaps in enumerate(firsts)]


def _headings(axes: Axes, table: list[Row], heights: list[float]) -> None:
    names = ("little memory", "the memory of rank-one and diagonal estimators", "the memory of RTRL")
    for index, (row, height) in enumerate(zip(table, heights, strict=True)):
        if index == 0 or table[index - 1].rank != row.rank:
            axes.text(-0.48, height - 0.62, names[row.rank], fontsize=7.5, style="italic", va="bottom")


def _cells(axes: Axes, height: float, row: Row, cells: list[list[bool]]) -> None:
    for column, seeds in enumerate(cells):
        if not seeds:
            continue
        share = sum(seeds) / len(seeds)
        color = tuple(1 - share * (1 - part) for part in to_rgb(row.color))
        axes.bar(column, 0.92, bottom=height - 0.46, width=0.94, color=color, edgecolor="#cccccc", linewidth=0.5)
        dark = sum(color) < 1.6
        axes.text(column, height, f"{sum(seeds)}/{len(seeds)}", ha="center", va="center", color="w" if dark else "k")
