"""Figure: no learning rate saves truncated BPTT on influence balancing."""

import numpy as np
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import arms, house_style, label, looks, note
from artbp_exp.evidence.optimum import TINY, end, start
from artbp_exp.runs.load import Run

DIVERGED = 1e3
"""Where |θ − θ*| of a run that ended as diverged, or went beyond, is drawn."""


@house_style
def learning_rates(runs: list[Run]) -> Figure:
    """|θ − θ*| at the end against the learning rate: every seed a point, the median a line."""
    figure = Figure()
    axes = figure.subplots()
    grouped = arms(runs)
    for which, style in looks(grouped).items():
        members = grouped[which]
        rates = sorted({run.config["optimizer"]["lr"] for run in members})
        medians = []
        for rate in rates:
            ends = [end(run) for run in members if run.config["optimizer"]["lr"] == rate]
            seeds = np.clip(ends, TINY, DIVERGED)
            medians.append(np.median(seeds))
            axes.plot([rate] * len(seeds), seeds, ".", color=style["color"], alpha=0.5, markersize=4)
        axes.plot(rates, medians, label=label(which), **style)
    first = runs[0].summary
    begun = start(runs[0])
    axes.axhline(begun, color="black", linewidth=0.9, linestyle=(0, (1, 2)))
    axes.annotate("start", (1.0, begun), (3, -3), xycoords=("axes fraction", "data"), textcoords="offset points")
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="learning rate η",
        ylabel="|θ − θ*| after 10⁶ steps" if first["steps"] == 10**6 else "|θ − θ*| at the end",
        title="Final distance from the optimum",
    )
    axes.legend(loc="lower left")
    note(figure, f"point: a seed; line: the median; at the upper edge, {DIVERGED:g}: beyond, or ended as diverged")
    return figure
