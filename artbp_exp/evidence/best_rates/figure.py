"""Figure: every method at every learning rate."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from artbp_exp.evidence.best_rates.arms import Arm
from artbp_exp.evidence.figures.common import LINES, color_of, house_style, new_figure, note

HIGHEST = 0.3
"""Bits above the best end point up to which the axis reaches; what is beyond is a number at its edge."""


@house_style
def best_rates(arms: dict[str, Arm]) -> Figure:
    """End point against learning rate, a line for each arm and a point for each seed; the best rate is ringed."""
    figure, (axes,) = new_figure(1)
    count: dict[str, int] = {}
    rates: set[float] = set()
    top = min(min(arm.means.values(), default=np.inf) for arm in arms.values()) + HIGHEST
    for title, arm in sorted(arms.items(), key=lambda item: min(item[1].means.values(), default=np.inf)):
        method = arm.method["name"] if arm.method.get("reweight", True) or arm.method["name"] != "artbp" else "random"
        index = count.setdefault(method, -1) + 1
        count[method] = index
        means = {rate: mean for rate, mean in arm.means.items() if np.isfinite(mean)}
        if not means:
            continue
        rates |= means.keys()
        axes.plot(list(means), list(means.values()), color=color_of(method), linestyle=LINES[index % 4], label=title)
        for rate, mean in means.items():
            if mean > top:
                axes.annotate(f"↑ {mean:.2f}", (rate, top), ha="center", va="top", color=color_of(method))
            ends = [end for end in arm.ends(rate).values() if end <= top]
            axes.plot([rate] * len(ends), ends, ".", color=color_of(method), markersize=4)
        if arm.best is not None:
            axes.plot(arm.best, means[arm.best], "o", color=color_of(method), fillstyle="none", markersize=7)
    axes.set_ylim(top=min(top, axes.get_ylim()[1]))
    axes.set(xscale="log", xlabel="learning rate η", ylabel="validation bpc, last quarter of epochs")
    axes.xaxis.set_major_locator(FixedLocator(sorted(rates)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda rate, _: f"{rate:g}"))
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
    note(figure, "point: a seed; line: their mean; ring: the method's best learning rate")
    return figure
