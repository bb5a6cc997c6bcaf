"""Figure: truncated BPTT runs away on influence balancing, ARTBP converges."""

import numpy as np
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import arms, band, house_style, label, looks, note
from artbp_exp.runs.load import Run

CEILING = 1e9
"""Losses beyond this leave the panel: what matters there is only that they went."""


@house_style
def influence_balancing(runs: list[Run]) -> Figure:
    """Loss (log-log) and θ against steps: median and range over seeds, and a cross where a run diverged."""
    figure = Figure()
    left, right = figure.subplots(1, 2)
    last = max(run.summary["steps"] for run in runs)
    grid = np.unique(np.geomspace(10, last, 200).round())
    grouped = arms(runs)
    for which, style in looks(grouped).items():
        members = grouped[which]
        for axes, column in ((left, "loss"), (right, "theta")):
            band(axes, members, column, grid, label=label(which), **style)
        for run in (run for run in members if run.summary["status"] == "diverged"):
            end = run.metrics("step", "loss").iloc[-1]
            left.plot(end["step"], min(end["loss"], CEILING), "x", color=style["color"], clip_on=False)
    left.set(xscale="log", yscale="log", xlabel="steps", ylabel="loss", title="Loss", ylim=(1e-20, CEILING))
    optimum = runs[0].summary["theta_optimal"]
    right.axhline(optimum, color="black", linewidth=0.9, linestyle=(0, (1, 2)))
    right.annotate("θ*", (grid[0], optimum), xytext=(2, 3), textcoords="offset points")
    right.set(xscale="log", xlabel="steps", ylabel="θ", title="Parameter", ylim=(-1.0, 3.0))
    left.legend(loc="lower left")
    seeds = " or ".join(map(str, sorted({len(members) for members in grouped.values()})))
    note(figure, f"line: median of {seeds} seeds; band: their range; ×: ended as diverged; dotted: the optimum θ*")
    return figure
