"""Figure: Penn Treebank: validation bits per character, and ARTBP's lead, epoch by epoch, beside the authors' logs."""

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from artbp_exp.evidence import authors
from artbp_exp.evidence.figures.common import color_of, house_style, note
from artbp_exp.evidence.ptb_runs import METHODS, MODEL, STATES, Arms

BEHIND, AHEAD = -0.12, 0.08
"""Bits per character at which the panels of the leads end."""

Lines = list[tuple[str, pd.Series]]
"""Method, and values indexed by the epoch."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Runs of one model and one state.

    Attributes:
        title: two lines.
        curves: validation bpc, a line a run.
        leads: by how much ARTBP is ahead of a method.
    """

    title: str
    curves: Lines
    leads: Lines


@house_style
def ptb_evidence(arms: Arms, logs: pd.DataFrame) -> Figure:
    """Above: validation bits per character against epochs, a line a run. Below: by how much ARTBP is ahead."""
    panels = [*_own(arms), *([_authors(authors.replicated(logs))] if len(logs) else [])]
    figure = Figure(figsize=(7.0, 4.2))
    places = figure.subplots(2, len(panels), sharey="row", sharex="col", height_ratios=(3, 2), squeeze=False)
    for (above, below), panel in zip(places.T, panels, strict=True):
        above.set_title(panel.title, fontsize=8)
        below.set(xlabel="epoch")
        below.axhline(0, color="black", linewidth=0.9)
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        _draw(above, panel.curves)
        _draw(below, panel.leads)
    places[0, 0].set(ylabel="validation bits per character", ylim=(1.4, 2.3))
    places[1, 0].set(ylabel="ARTBP ahead by (bits)", ylim=(BEHIND, AHEAD))
    handles = [Line2D([], [], color=color_of(method), label=name) for method, name in METHODS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    note(
        figure,
        "above: a line a run; below: ARTBP's lead over the other two, paired by seed (the logs: of the means); with "
        "the state reset, two objectives are compared",
    )
    return figure


def _own(arms: Arms) -> Iterator[Panel]:
    for carried, state in STATES.items():
        curves = {
            (method, seed): run.at_epochs("valid_bpc")
            for method in METHODS
            for seed, run in arms.get((method, carried), {}).items()
        }
        leads = [
            (method, (bpc - curves["artbp", seed]).dropna())
            for (method, seed), bpc in curves.items()
            if method != "artbp" and ("artbp", seed) in curves
        ]
        if curves:
            lines = [(method, bpc) for (method, _), bpc in curves.items()]
            yield Panel(title=f"{MODEL}\nstate {state}", curves=lines, leads=leads)


def _authors(logs: pd.DataFrame) -> Panel:
    runs = [rows.set_index("epoch") for _, rows in logs.groupby(["method", "run"])]
    means = logs.groupby(["method", "epoch"])["valid_bpc"].mean()
    return Panel(
        title="the authors' logs: 1000 units\nB = 64, state reset at cuts",
        curves=[(str(run["method"].iloc[0]), run["valid_bpc"]) for run in runs],
        leads=[("tbptt", means["tbptt"] - means["artbp"])],
    )


def _draw(axes: Axes, lines: Lines) -> None:
    for method, bpc in lines:
        axes.plot(bpc.index, bpc, color=color_of(method), linewidth=0.9, marker=".", markersize=3)
