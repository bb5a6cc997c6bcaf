"""Figure: every method at every learning rate, and at its best."""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from artbp_exp.evidence.best_rates.arms import Arm
from artbp_exp.evidence.figures.common import LINES, house_style, note

HIGHEST = 0.3
"""Bits above the best end point up to which the left axis reaches; what is beyond is a number at its edge."""


@house_style
def best_rates(arms: dict[str, Arm]) -> Figure:
    """Left: end point against learning rate, of arms with several rates. Right, its legend: every arm at its best."""
    ranked = sorted((arm for arm in arms.values() if arm.best is not None), key=lambda arm: arm.level)
    figure = Figure(figsize=(7.0, max(2.8, 1.2 + 0.22 * len(ranked))))
    against_rate, at_best = figure.subplots(1, 2)
    drawn: Counter[str] = Counter()
    top = min((arm.level for arm in ranked), default=0.0) + HIGHEST
    for row, arm in enumerate(ranked):
        color = arm.color
        if len(arm.means) > 1:
            look = {"color": color, "linestyle": LINES[drawn[color] % len(LINES)]}
            drawn[color] += 1
            _line(against_rate, arm, look, top=top)
            at_best.axhline(row, linewidth=0.9, alpha=0.5, **look)
        ends = list(arm.at_best.values())
        at_best.plot(ends, [row] * len(ends), "o", color=color, markersize=3.5)
        at_best.plot(np.mean(ends), row, "|", color=color, markersize=12)
    against_rate.set_ylim(top=min(top, against_rate.get_ylim()[1]))
    _label(against_rate, at_best, ranked)
    note(figure, "point: a seed; line, tick: their mean; ring, in brackets: the method's best learning rate")
    return figure


def _line(axes: Axes, arm: Arm, look: dict[str, Any], *, top: float) -> None:
    axes.plot(list(arm.means), [mean if np.isfinite(mean) else np.nan for mean in arm.means.values()], **look)
    for rate, mean in arm.means.items():
        ends = arm.ends[rate].values()
        beyond = [f"{end:.2f}" for end in ends if end > top] + ["diverged"] * (not np.isfinite(mean))
        if beyond:
            axes.annotate(f"↑ {', '.join(beyond)}", (rate, top), ha="center", va="top", color=look["color"], fontsize=7)
        axes.plot([rate] * len(ends), list(ends), ".", color=look["color"], markersize=4)
    if arm.best is not None:
        axes.plot(arm.best, arm.level, "o", color=look["color"], fillstyle="none", markersize=7)


def _label(against_rate: Axes, at_best: Axes, ranked: list[Arm]) -> None:
    against_rate.set(xscale="log", xlabel="learning rate η", ylabel="validation bpc, last quarter of epochs")
    rates = {rate for arm in ranked if len(arm.means) > 1 for rate in arm.means}
    against_rate.xaxis.set_major_locator(FixedLocator(sorted(rates)))
    against_rate.xaxis.set_minor_locator(NullLocator())
    against_rate.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    against_rate.tick_params(axis="x", labelsize=7.5)
    at_best.set(xlabel="validation bpc at its best rate", ylim=(len(ranked) - 0.5, -0.5))
    at_best.set_yticks(range(len(ranked)), [f"{arm.title} ({arm.best:g})" for arm in ranked], fontsize=7)
    at_best.yaxis.tick_right()
    at_best.tick_params(axis="y", length=0)
    at_best.grid(visible=False, axis="y")
