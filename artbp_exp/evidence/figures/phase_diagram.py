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
    """Median over seeds of the final log10 loss; a cross where a seed diverged, a dot where all reached θ*."""
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
    lost = chosen["status"] == "diverged"
    loss = chosen["loss"].where(~lost, np.inf).fillna(np.inf).clip(lower=1e-30)
    runs = chosen.assign(loss=loss, lost=lost, near=reached_cells(chosen)).groupby(["length", "lr"], as_index=False)
    cells = runs.agg({"loss": "median", "lost": "any", "near": "all"})
    cells["loss"] = np.log10(cells["loss"])
    for cell in cells.to_dict("records"):
        at = lengths.index(cell["length"]), rates.index(cell["lr"])
        if cell["lost"]:
            axes.plot(*at, "x", color="white" if cell["loss"] > 0 else "black", markersize=3.5, markeredgewidth=0.9)
        elif cell["near"]:
            axes.plot(*at, ".", color="black", markersize=3.5)
    grid = cells.pivot(index="lr", columns="length", values="loss").reindex(index=rates, columns=lengths)
    scale = Normalize(BEST, WORST)
    return axes.imshow(grid.clip(BEST, WORST), norm=scale, cmap="cividis_r", origin="lower", aspect="auto")
