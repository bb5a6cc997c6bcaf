"""Figure: the four arms in the authors' setting on Penn Treebank, over the band of the authors' logs."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting.runs import ARMS, EPOCHS, Setting
from artbp_exp.evidence.figures.common import color_of, house_style, note

BEST, WORST = 1.425, 1.60
"""Bits per character between which the curves are shown."""

FIRST = 4
"""Epoch from which they are shown."""


@house_style
def ptb_paper(setting: Setting) -> Figure:
    """Validation bits per character against epochs: a line a run, the first seed of an arm thick."""
    figure = Figure(figsize=(6.4, 3.4))
    axes = figure.subplots()
    _bands(axes, setting)
    for arm, curves in setting.curves.items():
        color, style = color_of("tbptt" if arm == "phase" else arm), "--" if arm == "phase" else "-"
        for index, curve in enumerate(curves[seed] for seed in sorted(curves)):
            look: dict[str, Any] = {"linewidth": 0.7} if index else {"linewidth": 1.5, "label": ARMS[arm]}
            axes.plot(curve.index, curve["valid_bpc"], color=color, linestyle=style, **look)
    axes.legend(loc="upper right")
    axes.set(xlim=(FIRST, EPOCHS), ylim=(BEST, WORST), xlabel="epoch", ylabel="validation bits per character")
    axes.set_xticks(range(FIRST, EPOCHS + 1, 2))
    note(
        figure,
        "line: a run (thin: a second seed); bands: mean ± sd of the authors' five logged runs of truncated BPTT and of "
        "ARTBP",
    )
    return figure


def _bands(axes: Axes, setting: Setting) -> None:
    logs = authors.replicated(setting.logs)
    for method in ("tbptt", "artbp"):
        runs = logs[logs["method"] == method].groupby("epoch")["valid_bpc"]
        mean, sd = runs.mean(), runs.std()
        axes.fill_between(mean.index, mean - sd, mean + sd, color=color_of(method), alpha=0.2, linewidth=0)
