"""Figure: where truncated BPTT and ARTBP cut a sequence, and what ARTBP multiplies the gradient by elsewhere."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import color_of, house_style, note
from artbp_exp.truncation import Segment, artbp, tbptt

STEPS, LENGTH, ALPHA, SEED = 20, 5, 4, 9


@house_style
def cuts_and_factors() -> Figure:
    """Two rows of states: the gradient flows back in each segment; numbers are the carry factors 1/(1 − c)."""
    rows = {
        "tbptt": (f"truncated BPTT, L = {LENGTH}: cuts at fixed places, biased", tbptt.build(length=LENGTH)),
        "artbp": (
            f"ARTBP, L₀ = {LENGTH}, α = {ALPHA}: cuts at random, gradient × 1/(1 − c) where it crosses, unbiased",
            artbp.build(length=LENGTH, alpha=ALPHA),
        ),
    }
    figure = Figure(figsize=(7.0, 2.3))
    axes = figure.subplots()
    for row, (method, (title, scheme)) in enumerate(rows.items()):
        y = -2.2 * row
        axes.text(0.5, y + 0.62, title, color=color_of(method), fontsize=8)
        for start, segment in scheme.segments(STEPS, np.random.default_rng(SEED)):
            _segment(axes, start, segment, y, color_of(method), numbers=method == "artbp")
    axes.set(xlim=(0.3, STEPS + 0.7), ylim=(-3.3, 1.1))
    axes.set_axis_off()
    note(
        figure,
        "circle: the state after a step; gray: the state is carried on; colour: the gradient flows back; bar: a cut",
    )
    return figure


def _segment(axes: Axes, start: int, segment: Segment, y: float, color: str, *, numbers: bool) -> None:
    for t in range(segment.length):
        x, last = start + t + 1, t == segment.length - 1
        axes.plot(x, y, "o", color="white", markeredgecolor="0.4", markersize=7)
        if x == STEPS:
            return
        _arrow(axes, x + 0.25, x + 0.75, y, "0.6")
        if last:
            axes.plot([x + 0.5] * 2, [y - 0.85, y + 0.35], color="black", linewidth=1.6, solid_capstyle="butt")
            continue
        _arrow(axes, x + 0.85, x + 0.15, y - 0.4, color)
        if numbers:
            factor = f"{segment.factor(t):.2f}"
            axes.text(x + 0.5, y - 0.82, factor, color=color, fontsize=6, horizontalalignment="center")


def _arrow(axes: Axes, tail: float, head: float, y: float, color: str) -> None:
    axes.annotate("", (head, y), (tail, y), arrowprops={"arrowstyle": "->", "color": color, "linewidth": 1.1})
