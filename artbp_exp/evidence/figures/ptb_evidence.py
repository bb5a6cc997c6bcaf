"""Figure: Penn Treebank, our runs over the authors' logged curves, and ARTBP's lead epoch by epoch."""

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from artbp_exp.evidence.figures.common import STYLE
from artbp_exp.runs.load import Run

COLORS = {"artbp": "#0072B2", "tbptt": "#D55E00", "random": "#009E73"}
NAMES = {"artbp": "ARTBP", "tbptt": "truncated BPTT", "random": "random cuts, not reweighted"}
LINES: tuple[tuple[float, tuple[float, ...]], ...] = ((0, ()), (0, (4, 1.5)), (0, (4, 1.5, 1, 1.5)))
"""Whole, dashed, dash-dotted; the authors' means are dotted."""
BEHIND, AHEAD = -0.12, 0.08
"""Bits per character at which the panels of the leads end."""

Arms = Mapping[tuple[str, bool], Mapping[int, Run]]
"""(method, carry_state) → seed → run."""


def ptb_evidence(families: Mapping[str, Arms], authors: pd.DataFrame) -> Figure:
    """Above: valid bits per character against epochs. Below: by how much ARTBP is ahead there, paired by seed.

    Left with the state carried across cuts, right with it reset. A line for each seed, a line style for each family;
    the authors' runs as bands.

    Args:
        families: what the runs of a family have in common (in the legend) → its runs, finished or not; at most three.
        authors: `results/authors/ptb_epochs.csv`: mean ± sd over 6 logged runs of each method.
    """
    drawn = {name: arms for name, arms in families.items() if any(arms.values())}
    with mpl.rc_context(fname=STYLE):
        figure = Figure(figsize=(7.0, 4.6))
        panels = figure.subplots(2, 2, sharey="row", sharex=True, height_ratios=(3, 2))
        for (above, below), carried in zip(panels.T, (True, False), strict=True):
            above.set(title="State carried across cuts" if carried else "State reset at cuts")
            below.set(xlabel="epoch")
            below.axhline(0, color="black", linewidth=0.9)
            below.xaxis.set_major_locator(MaxNLocator(integer=True))
            _authors(above, below, authors)
            for arms, line in zip(drawn.values(), LINES, strict=False):
                own = arms.get(("artbp", carried), {})
                for method, color in COLORS.items():
                    look = {"color": color, "linestyle": line, "linewidth": 1.0, "marker": ".", "markersize": 3}
                    for seed, run in arms.get((method, carried), {}).items():
                        bpc = run.at_epochs("valid_bpc")
                        above.plot(bpc.index, bpc, **look)
                        if method != "artbp" and seed in own:
                            lead = (bpc - own[seed].at_epochs("valid_bpc")).dropna()
                            below.plot(lead.index, lead, **look)
        panels[0, 0].set(ylabel="valid bits per character", ylim=(1.4, 2.3))
        panels[1, 0].set(ylabel="ARTBP ahead of it by", ylim=(BEHIND, AHEAD))
        handles = [
            *(Line2D([], [], color=COLORS[method], label=name) for method, name in NAMES.items()),
            Patch(color="#888888", alpha=0.3, linewidth=0, label="the authors' logs, mean ± sd of 6"),
            *(Line2D([], [], color="#444444", linestyle=line, label=_counted(name, arms))
              for (name, arms), line in zip(drawn.items(), LINES, strict=False)),
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside lower center", ncols=3, fontsize=7)
        return figure


def _authors(above: Axes, below: Axes, authors: pd.DataFrame) -> None:
    logs = {method: authors[authors["method"] == method].set_index("epoch") for method in ("artbp", "tbptt")}
    for method, log in logs.items():
        _band(above, log["valid_bpc_mean"], log["valid_bpc_sd"], COLORS[method])
    lead = logs["tbptt"]["valid_bpc_mean"] - logs["artbp"]["valid_bpc_mean"]
    # their runs are not pairs: the spread is that of a difference of two independent ones
    sd = (logs["tbptt"]["valid_bpc_sd"] ** 2 + logs["artbp"]["valid_bpc_sd"] ** 2) ** 0.5
    _band(below, lead, sd, COLORS["tbptt"])


def _band(axes: Axes, mean: pd.Series, sd: pd.Series, color: str) -> None:
    axes.fill_between(mean.index, mean - sd, mean + sd, color=color, alpha=0.18, linewidth=0)
    axes.plot(mean.index, mean, color=color, linewidth=0.8, linestyle=":")


def _counted(name: str, arms: Arms) -> str:
    seeds = max(len(runs) for runs in arms.values())
    return f"{name}, {seeds} seed{'s' if seeds > 1 else ''}"
