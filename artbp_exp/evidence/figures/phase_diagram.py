"""Figure: the final loss of influence balancing over length × learning rate, one panel a method."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from artbp_exp.evidence.claims.lengths import ARMS, of_arm
from artbp_exp.evidence.figures.common import house_style
from artbp_exp.evidence.optimum import reached_cells
from artbp_exp.evidence.ptb_runs import METHODS

BEST, WORST = -12.0, 12.0
"""log10 of the losses at which the colours end."""


@house_style
def phase_diagram(cells: pd.DataFrame) -> Figure:
    """Median over seeds of the final log10 loss; a cross where a seed diverged, a dot where all reached θ*.

    Args:
        cells: `results/phase_diagram/cells.csv`.
    """
    figure = Figure(figsize=(7.0, 3.1))
    panels = figure.subplots(1, 3, sharey=True)
    lengths, rates = sorted(cells["length"].unique()), sorted(cells["lr"].unique())
    image: Any = None
    for axes, name in zip(panels, ARMS, strict=True):
        image = _panel(axes, of_arm(cells, name), lengths, rates)
        axes.grid(visible=False)
        axes.set(xlabel=f"{'length $L$' if name == 'tbptt' else 'mean length $L_0$'}, steps", title=METHODS[name])
        axes.set_xticks(range(len(lengths)), [f"{length:g}" for length in lengths], rotation=60, fontsize=7)
        axes.set_yticks(range(len(rates)), [f"{rate:g}" for rate in rates], fontsize=7)
    panels[0].set_ylabel("learning rate η")
    bar = figure.colorbar(image, ax=list(panels), pad=0.01)
    bar.set_ticks([BEST, 0, WORST], labels=[f"−{-BEST:g}: good", "0", f"{WORST:g}: bad"])
    bar.set_label("final loss, log$_{10}$, median of seeds")
    marks = {"reached θ* on every seed": ".", "a seed or more diverged": "x"}
    figure.legend(
        handles=[Line2D([], [], color="black", marker=m, linestyle="", label=name) for name, m in marks.items()],
        loc="outside lower center",
        ncols=2,
    )
    return figure


def _panel(axes: Axes, chosen: pd.DataFrame, lengths: list[float], rates: list[float]) -> Any:
    grid = np.full((len(rates), len(lengths)), np.nan)
    for _, members in chosen.groupby(["length", "lr"]):
        length, rate = members["length"].iloc[0], members["lr"].iloc[0]
        i, j = rates.index(rate), lengths.index(length)
        diverged = members["status"] == "diverged"
        loss = members["loss"].where(~diverged, np.inf).fillna(np.inf).clip(lower=1e-30)
        grid[i, j] = np.log10(loss.median())
        if diverged.any():
            axes.plot(j, i, "x", color="white" if grid[i, j] > 0 else "black", markersize=3.5, markeredgewidth=0.9)
        elif reached_cells(members).all():
            axes.plot(j, i, ".", color="black", markersize=3.5)
    shown = np.clip(grid, BEST, WORST)
    return axes.imshow(shown, norm=Normalize(BEST, WORST), cmap="cividis_r", origin="lower", aspect="auto")
