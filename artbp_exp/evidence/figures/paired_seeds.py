"""Figure: every difference in end points on Penn Treebank, seed by seed, with its interval."""

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from artbp_exp.evidence.claims.ptb.measured import Lead
from artbp_exp.evidence.figures.common import color_of, house_style, note
from artbp_exp.evidence.ptb_runs import STATES, TITLE


@house_style
def paired_seeds(rows: Sequence[Lead]) -> Figure:
    """Points are seeds (hollow: with repeated runs), the bar is the mean's interval; to the right ARTBP is ahead."""
    figure = Figure(figsize=(7.0, 2.0))
    axes = figure.subplots()
    labels: dict[str, str] = {
        "tbptt": "ARTBP against truncated BPTT",
        "random": "ARTBP against random cuts, not reweighted",
    }
    states = list(STATES)
    for row in rows:
        y = states.index(row.carried) + (0.17 if row.method == "random" else -0.17)
        look: dict[str, Any] = {"color": color_of(row.method)}
        lead = row.lead
        if lead.low is not None and lead.high is not None:
            axes.plot([lead.low, lead.high], [y, y], linewidth=5, alpha=0.3, solid_capstyle="butt", **look)
            axes.plot(lead.center, y, "|", markersize=9, **look)
        axes.plot(lead.points, [y] * len(lead.points), "o", markersize=3.5, label=labels.pop(row.method, None), **look)
        axes.plot(row.repeated, [y] * len(row.repeated), "o", markersize=3.5, markerfacecolor="white", **look)
    axes.axvline(0, color="black", linewidth=0.9)
    axes.set_yticks(range(len(states)), [f"state {state}" for state in STATES.values()], fontsize=7.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(states) - 0.5, -0.5)
    axes.set_title(TITLE, fontsize=8)
    axes.set(xlabel="← the other ahead        bits per character        ARTBP ahead →")
    figure.legend(loc="outside lower center", ncols=2)
    note(figure, "point: a seed (hollow: with a run that was repeated); bar: mean and its 95 % interval")
    return figure
