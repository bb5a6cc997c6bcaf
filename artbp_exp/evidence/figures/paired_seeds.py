"""Figure: every paired difference in bits per character, seed by seed, with its interval."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from artbp_exp.evidence.figures.common import STYLE

Points = tuple[Sequence[float], float | None, float | None]
"""Differences, a value a seed, and the interval of their median."""

PARTS = {
    "valid": ("valid, best epoch", "#0072B2", "o", -0.24),
    "test": ("test, best valid epoch", "#E69F00", "s", 0.0),
    "last": ("valid, end of the last epoch", "#009E73", "^", 0.24),
}
"""What was measured → its label, colour, marker, and how far below the middle of its row."""


def paired_seeds(leads: Mapping[str, Mapping[str, Mapping[str, Points]]]) -> Figure:
    """Points are seeds, the bar is the interval of their median; right of the line ARTBP is ahead.

    Args:
        leads: family (a heading) → method that ARTBP is held against → key of `PARTS` → its points.
    """
    rows = [(family, method) for family, methods in leads.items() for method in (None, *methods)]
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(7.0, 1.1 + 0.3 * len(rows)))
        axes = figure.subplots()
        for index, (family, method) in enumerate(rows):
            for part, (points, low, high) in (leads[family][method] if method else {}).items():
                _, color, marker, shift = PARTS[part]
                y = index + shift
                if low is not None and high is not None:
                    axes.plot([low, high], [y, y], color=color, linewidth=4, alpha=0.3, solid_capstyle="butt")
                axes.plot(points, [y] * len(points), marker, color=color, markersize=3.5, linestyle="")
        axes.axvline(0, color="black", linewidth=0.9)
        labels = axes.set_yticks(
            range(len(rows)), [f"against {method}" if method else family for family, method in rows]
        )
        for tick, (_, method) in zip(labels, rows, strict=True):
            tick.label1.set_fontweight("normal" if method else "bold")
            tick.label1.set_fontsize(7.5)
            tick.gridline.set_visible(method is not None)
        axes.tick_params(axis="y", length=0)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set(xlabel="bits per character by which ARTBP is ahead, paired by seed")
        handles = [
            Line2D([], [], color=c, marker=m, markersize=3.5, linestyle="", label=p) for p, c, m, _ in PARTS.values()
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7)
        return figure
