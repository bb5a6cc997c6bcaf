"""Figure: no learning rate saves truncated BPTT on influence balancing."""

import numpy as np
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import arms, house_style, label, looks, new_figure, note
from artbp_exp.runs.load import Run

DIVERGED = 1e3
"""Where |θ − θ*| of a run that ended as diverged, or went beyond, is drawn."""


@house_style
def learning_rates(runs: list[Run]) -> Figure:
    """|θ − θ*| at the end against the learning rate: every seed a point, the median a line.

    Args:
        runs: of the synthetic task over learning rates, methods and seeds.
    """
    figure, (axes,) = new_figure(1)
    grouped = arms(runs)
    for which, style in looks(grouped).items():
        members = grouped[which]
        rates = sorted({run.config["optimizer"]["lr"] for run in members})
        medians = []
        for rate in rates:
            seeds = [drawn(run) for run in members if run.config["optimizer"]["lr"] == rate]
            medians.append(np.median(seeds))
            axes.plot([rate] * len(seeds), seeds, ".", color=style["color"], alpha=0.5, markersize=4)
        axes.plot(rates, medians, label=label(which), **style)
    first = runs[0].summary
    start = abs(runs[0].config["model"]["theta"] - first["theta_optimal"])
    axes.axhline(start, color="black", linewidth=0.9, linestyle=(0, (1, 2)))
    axes.annotate("start", (1.0, start), (3, -3), xycoords=("axes fraction", "data"), textcoords="offset points")
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


def drawn(run: Run) -> float:
    """|θ − θ*| at the end, at least 10⁻¹⁷ (for a log axis) and at most `DIVERGED`."""
    theta = run.summary["theta"]
    if run.summary["status"] == "diverged" or theta is None:
        return DIVERGED
    return float(np.clip(abs(theta - run.summary["theta_optimal"]), 1e-17, DIVERGED))
