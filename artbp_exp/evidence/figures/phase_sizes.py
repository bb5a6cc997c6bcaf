"""Figure: the length that each method needs, against the size of the system."""

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import STYLE
from artbp_exp.evidence.figures.phase_diagram import reached

LOOKS = {"tbptt": ("#D55E00", "truncated BPTT", "s", -0.02), "artbp": ("#0072B2", "ARTBP", "o", 0.02)}


def phase_sizes(cells: pd.DataFrame, signs: pd.DataFrame) -> Figure:
    """Lengths that work (filled) and that do not (hollow) for each size; a line through the least that work.

    A length works if, at some learning rate of the grid, every seed ends near θ*.

    Args:
        cells: `results/phase_sizes/cells.csv`.
        signs: `results/phase_sizes/signs.csv`, the least L whose mean sensitivity has the right sign.
    """
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(4.6, 3.2))
        axes = figure.subplots()
        found = working(cells)
        for method, (color, name, marker, shift) in LOOKS.items():
            mine = found[found["method"] == method]
            at = mine["size"] * (1 + shift)
            for works, face in ((True, color), (False, "white")):
                some = mine["works"] == works
                axes.plot(
                    at[some], mine["length"][some], marker, color=color, markerfacecolor=face, markersize=4, alpha=0.75
                )
            least = least_length(found, method)
            axes.plot(least.index * (1 + shift), least.to_numpy(), color=color, label=f"{name}: least that works")
        axes.plot(
            signs["size"],
            signs["sign_length"],
            "k:",
            label="truncated BPTT: right sign of the mean sensitivity from here",
        )
        sizes = sorted(cells["size"].unique())
        axes.set(xscale="log", yscale="log", xlabel="size n of the system (units)", ylabel="(mean) length, steps")
        axes.set_xticks(sizes, [str(size) for size in sizes])
        axes.minorticks_off()
        ticks = sorted(cells["length"].unique())
        axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_title("Filled: every seed reaches θ* at some learning rate of the grid")
        axes.legend(loc="upper left", fontsize=6.5)
        axes.set_ylim(top=float(np.max(ticks)) * 5)
        return figure


def working(cells: pd.DataFrame) -> pd.DataFrame:
    """For each size, method and length: whether there is a learning rate at which every seed ends near θ*."""
    near = cells.assign(near=reached(cells))
    by_rate = near.groupby(["size", "method", "length", "lr"])["near"].all()
    return by_rate.groupby(["size", "method", "length"]).any().rename("works").reset_index()


def least_length(found: pd.DataFrame, method: str) -> pd.Series:
    """Size → the least length that works; sizes at which none does are left out."""
    mine = found[(found["method"] == method) & found["works"]]
    least: pd.Series = mine.groupby("size")["length"].min()
    return least
