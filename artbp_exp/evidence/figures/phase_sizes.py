"""Figure: the length that each method needs, against the size of the system."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artbp_exp.evidence.claims.lengths import working
from artbp_exp.evidence.figures.common import color_of, house_style

LOOKS = {"tbptt": ("truncated BPTT", "s", -0.02), "artbp": ("ARTBP", "o", 0.02)}


@house_style
def phase_sizes(cells: pd.DataFrame, signs: pd.DataFrame) -> Figure:
    """Lengths that work (filled) and that do not (hollow) for each size; a line through the least that work.

    A length works if, at some learning rate of the grid, every seed reaches θ*. `signs` has the least L whose mean
    sensitivity has the right sign.
    """
    figure = Figure(figsize=(4.6, 3.4))
    axes = figure.subplots()
    found = working(cells)
    for method, (name, marker, shift) in LOOKS.items():
        mine = found[found["method"] == method]
        at, color = mine["size"] * (1 + shift), color_of(method)
        for works, face in ((True, color), (False, "white")):
            some = mine["works"] == works
            axes.plot(
                at[some], mine["length"][some], marker, color=color, markerfacecolor=face, markersize=4, alpha=0.75
            )
        least = least_length(found, method)
        axes.plot(
            least.index * (1 + shift),
            least.to_numpy(),
            color=color,
            marker=marker,
            markersize=4,
            label=f"{name}: shortest tried that works",
        )
    axes.plot(signs["size"], signs["sign_length"], "k:", label="mean sensitivity has the right sign from here")
    sizes, ticks = sorted(cells["size"].unique()), sorted(cells["length"].unique())
    axes.set(xscale="log", yscale="log", xlabel="size n of the system (units)", ylabel="(mean) length, steps")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=7)
    axes.set_title("Filled: works, every seed reaches θ* at some learning rate", fontsize=8)
    figure.legend(loc="outside lower center", fontsize=6.5)
    axes.set_ylim(top=float(np.max(ticks)) * 1.3)
    return figure


def least_length(found: pd.DataFrame, method: str) -> pd.Series:
    """Size → the least length that works; sizes at which none does are left out."""
    mine = found[(found["method"] == method) & found["works"]]
    least: pd.Series = mine.groupby("size")["length"].min()
    return least
