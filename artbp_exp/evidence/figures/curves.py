"""Figure: any runs, loss or bits per character as training goes on, a line for each setting that differs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artbp_exp.evidence.arms import kind
from artbp_exp.evidence.figures.common import LINES, band, color_of, house_style, shade
from artbp_exp.runs.identity import as_text, identity
from artbp_exp.runs.load import Run

MOST = 12
"""Lines in a panel; more cannot be told apart."""

METHOD = "method.name"


@dataclass(frozen=True, kw_only=True)
class Line:
    """Runs that differ in nothing but the seed.

    Attributes:
        chosen: the settings that tell them from the others, in words.
        runs: one a seed.
    """

    chosen: str
    runs: list[Run]


def lines(runs: Sequence[Run]) -> list[Line]:
    """Runs grouped by the settings that differ among them, the seed apart, and sorted by them, the method first.

    A setting that only some have (α of ARTBP) counts as differing where those that have it differ.
    """
    settings = [identity(run.config) for run in runs]
    keys = sorted(
        {key for each in settings for key in each} - {"seed", "experiment"},
        key=lambda key: (key != METHOD, not key.startswith("method."), key),
    )
    varying = [key for key in keys if len({repr(each[key]) for each in settings if key in each}) > 1]
    tails = [_tail(key) for key in varying]
    names = {key: key if tails.count(tail) > 1 else tail for key, tail in zip(varying, tails, strict=True)}
    grouped: dict[tuple[str, ...], list[int]] = {}
    for index in sorted(range(len(runs)), key=lambda i: [_order(settings[i].get(key)) for key in varying]):
        grouped.setdefault(tuple(repr(settings[index].get(key)) for key in varying), []).append(index)
    found = []
    for members in grouped.values():
        mine = settings[members[0]]
        chosen = ", ".join(f"{names[key]}={as_text(mine[key])}" for key in varying if key in mine)
        found.append(Line(chosen=chosen or f"method={mine.get(METHOD)}", runs=[runs[index] for index in members]))
    return found


@house_style
def curves(panels: dict[str, list[Line]]) -> Figure:
    """A panel for each task: median over seeds as a line, range as a band, a cross where a run diverged.

    Runs that have epochs show validation bits per character against them; those of tasks made of trials the validation
    loss against steps; others the loss against steps, log-log. Lines mark chance and floor where the task states them.
    Colours are those of the methods, shades and line styles tell their settings apart. At most `MOST` lines in a panel;
    its title says if there are more.
    """
    most = max(min(len(each), MOST) for each in panels.values())
    figure = Figure(figsize=(4.8 * len(panels), 3.2 + 0.15 * most))
    places = figure.subplots(1, len(panels), squeeze=False)
    for axes, (task, all_lines) in zip(places.flat, panels.items(), strict=True):
        _panel(axes, task, all_lines)
    return figure


def _panel(axes: Axes, task: str, all_lines: list[Line]) -> None:
    drawn = all_lines[:MOST]
    columns = drawn[0].runs[0].metrics().columns
    by_epoch, held_out = "valid_bpc" in columns, "valid_loss" in columns
    shown = "valid_loss" if held_out else "loss"
    for line, look in zip(drawn, _looks(drawn), strict=True):
        count = f"{len(line.runs)} seed{'s' if len(line.runs) > 1 else ''}"
        look["label"] = f"{line.chosen} ({count})"
        _epochs(axes, line.runs, look) if by_epoch else _steps(axes, line.runs, look, shown)
    _levels(axes, [run for line in drawn for run in line.runs])
    left_out = f", the first {MOST} of {len(all_lines)} settings" if len(all_lines) > MOST else ""
    axes.set_title(f"{task}: median and range over seeds{left_out}")
    if by_epoch:
        axes.set(xlabel="epoch", ylabel="validation bits per character (×: diverged)")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    elif held_out:
        axes.set(xlabel="steps", ylabel="validation loss a target (×: diverged)")
    else:
        axes.set(xscale="log", yscale="log", xlabel="steps", ylabel="loss a step (×: diverged)")
    # below the panel, in one column: many entries would cover the lines, long ones side by side squeeze the panel
    axes.legend(loc="upper left", bbox_to_anchor=(0, -0.18), fontsize=6.5)


def _looks(drawn: list[Line]) -> list[dict[str, Any]]:
    """The colour of the method, as in every figure, and shades and line styles of it for its settings."""
    kinds = [kind(line.runs[0]) for line in drawn]
    places = [kinds[:index].count(mine) for index, mine in enumerate(kinds)]
    return [
        {"color": shade(color_of(mine), place, kinds.count(mine)), "linestyle": LINES[place % len(LINES)]}
        for mine, place in zip(kinds, places, strict=True)
    ]


def _levels(axes: Axes, runs: list[Run]) -> None:
    """A line at each chance level and floor that the runs' task states."""
    for name, style in (("chance", ":"), ("floor", "--")):
        for level in sorted({float(run.summary[name]) for run in runs if name in run.summary}):
            axes.axhline(level, color="0.5", linestyle=style, linewidth=0.8, zorder=0)
            text = axes.text(1.01, level, name, transform=axes.get_yaxis_transform(), va="center", fontsize=6.5)
            text.set_color("0.4")


def _steps(axes: Axes, runs: list[Run], look: dict[str, Any], column: str) -> None:
    ends = [run.metrics("step", column).iloc[-1] for run in runs]
    last = max(float(end["step"]) for end in ends)
    spaced = np.geomspace(min(10, last), last, 200) if column == "loss" else np.linspace(1, last, 200)
    grid = np.unique(spaced.round())
    band(axes, runs, column, grid, **look)
    for run, end in zip(runs, ends, strict=True):
        if run.summary["status"] == "diverged":
            axes.plot(end["step"], end[column], "x", color=look["color"])


def _epochs(axes: Axes, runs: list[Run], look: dict[str, Any]) -> None:
    columns = [run.at_epochs("valid_bpc") for run in runs]
    table = pd.concat(columns, axis=1).sort_index()
    axes.plot(table.index, table.median(axis=1), marker=".", markersize=4, **look)
    axes.fill_between(table.index, table.min(axis=1), table.max(axis=1), color=look["color"], alpha=0.18, linewidth=0)
    for run, column in zip(runs, columns, strict=True):
        if run.summary["status"] == "diverged":
            axes.plot(column.index[-1:], column.iloc[-1:], "x", color=look["color"])


def _tail(key: str) -> str:
    return key.removesuffix(".name").rpartition(".")[2]


def _order(value: object) -> tuple[bool, float, str]:
    """Numbers by their size, before words."""
    number = isinstance(value, int | float)
    return (not number, float(value) if isinstance(value, int | float) else 0.0, str(value))
