"""Figure: every paired difference in bits per character, seed by seed, with its interval."""

from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.figure import Figure

from artbp_exp.figures.common import STYLE

Row = tuple[str, Sequence[float], float | None, float | None]


def paired_seeds(rows: Sequence[Row]) -> Figure:
    """Points are seeds, the bar is the interval of their median; right of the line ARTBP is ahead.

    Args:
        rows: (label, differences, low, high), top to bottom.
    """
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(7.0, 0.7 + 0.24 * max(len(rows), 1)))
        axes = figure.subplots()
        for index, (_, points, low, high) in enumerate(rows):
            if low is not None and high is not None:
                axes.plot([low, high], [index, index], color="#0072B2", linewidth=4, alpha=0.3, solid_capstyle="butt")
            axes.plot(points, [index] * len(points), "o", color="#0072B2", markersize=3.5)
        axes.axvline(0, color="black", linewidth=0.9)
        axes.set_yticks(range(len(rows)), [label for label, *_ in rows], fontsize=7)
        axes.invert_yaxis()
        axes.set(xlabel="bits per character by which ARTBP is ahead (paired by seed)")
        return figure
