"""Figure: Penn Treebank, one model a panel: validation bits per character, and ARTBP's lead, epoch by epoch."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from artbp_exp.evidence.figures.common import color_of, house_style, note
from artbp_exp.evidence.ptb_runs import METHODS, STATES, Arms, Tier

BEHIND, AHEAD = -0.12, 0.08
"""Bits per character at which the panels of the leads end."""

Curves = dict[str, dict[int, pd.Series]]
"""Method → seed or run → validation bpc, indexed by the epoch."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """A model, and its curves.

    Attributes:
        title: two lines.
        curves: of its runs.
        paired: whether runs of one number share their seed, so that a lead is drawn for each; else that of the means.
    """

    title: str
    curves: Curves
    paired: bool = True


@house_style
def ptb_evidence(families: Mapping[str, tuple[Tier, Arms]], logs: pd.DataFrame | None) -> Figure:
    """Above: validation bits per character against epochs, a line a run. Below: by how much ARTBP is ahead.

    Args:
        families: tier → its runs, finished or not.
        logs: the authors' replicated runs, from `results/authors/ptb_logs.csv`.
    """
    panels = [*_own(families), *_authors(logs)]
    figure = Figure(figsize=(2.1 * max(len(panels), 2) + 0.6, 4.2))
    places = figure.subplots(2, len(panels), sharey="row", sharex="col", height_ratios=(3, 2), squeeze=False)
    for (above, below), panel in zip(places.T, panels, strict=True):
        above.set_title(panel.title, fontsize=8)
        below.set(xlabel="epoch")
        below.axhline(0, color="black", linewidth=0.9)
        below.xaxis.set_major_locator(MaxNLocator(integer=True))
        _draw(above, below, panel)
    places[0, 0].set(ylabel="validation bits per character", ylim=(1.4, 2.3))
    places[1, 0].set(ylabel="ARTBP ahead by (bits)", ylim=(BEHIND, AHEAD))
    handles = [Line2D([], [], color=color_of(method), label=name) for method, name in METHODS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    note(
        figure,
        "above: a line a run; below: how far ARTBP is ahead of the other two, paired by seed (the authors' "
        "logs: of the means); where the state is reset, two objectives are compared",
    )
    return figure


def _own(families: Mapping[str, tuple[Tier, Arms]]) -> Iterator[Panel]:
    for tier, arms in families.values():
        for carried in tier.carried:
            curves = {
                method: {seed: run.at_epochs("valid_bpc") for seed, run in arms.get((method, carried), {}).items()}
                for method in tier.methods
            }
            if any(curves.values()):
                yield Panel(title=f"{tier.title.rpartition(',')[0]}\nstate {STATES[carried]}", curves=curves)


def _authors(logs: pd.DataFrame | None) -> Iterator[Panel]:
    if logs is None:
        return
    curves: Curves = {}
    for _, rows in logs.groupby(["method", "run"]):
        method, run = str(rows["method"].iloc[0]), int(rows["run"].iloc[0])
        curves.setdefault(method, {})[run] = rows.set_index("epoch")["valid_bpc"]
    yield Panel(title="the authors' logs: 1000 units\nB = 64, state reset at cuts", curves=curves, paired=False)


def _draw(above: Axes, below: Axes, panel: Panel) -> None:
    own = panel.curves.get("artbp", {})
    for method, runs in panel.curves.items():
        look: dict[str, Any] = {"color": color_of(method), "linewidth": 0.9, "marker": ".", "markersize": 3}
        for seed, bpc in runs.items():
            above.plot(bpc.index, bpc, **look)
            if panel.paired and method != "artbp" and seed in own:
                lead = (bpc - own[seed]).dropna()
                below.plot(lead.index, lead, **look)
        if not panel.paired and method != "artbp":
            lead = pd.concat(runs, axis=1).mean(axis=1) - pd.concat(own, axis=1).mean(axis=1)
            below.plot(lead.index, lead, **look)
