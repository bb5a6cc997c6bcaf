"""Figure: the four arms in the authors' setting on Penn Treebank, over the band of the authors' logs."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting.runs import ARMS, EPOCHS, Setting
from artbp_exp.evidence.figures.common import color_of, house_style, note

BEST, WORST = 1.425, 1.60
"""Bits per character between which the curves are shown."""

GAP = 0.009
"""Least distance between two labels, in bits per character."""

LEADER = {"arrowstyle": "-", "linestyle": ":", "linewidth": 0.7, "color": "#777777", "relpos": (0, 0.5), "shrinkB": 3}
"""From a label to the end of its curve."""


@house_style
def ptb_paper(setting: Setting) -> Figure:
    """Validation bits per character against epochs: a line a run, the first seed of an arm thick and named."""
    figure = Figure(figsize=(6.4, 3.4))
    axes = figure.subplots()
    _bands(axes, setting)
    ends = {}
    for arm, curves in setting.curves.items():
        color, style = color_of("tbptt" if arm == "phase" else arm), "--" if arm == "phase" else "-"
        for index, curve in enumerate(curves[seed] for seed in sorted(curves)):
            bpc = curve["valid_bpc"]
            axes.plot(bpc.index, bpc, color=color, linestyle=style, linewidth=0.7 if index else 1.5)
            if not index and len(bpc):
                ends[arm] = (float(bpc.index[-1]), float(bpc.iloc[-1])), color
    places = apart({arm: bpc for arm, ((_, bpc), _) in ends.items()}, GAP)
    for arm, (end, color) in ends.items():
        axes.annotate(
            ARMS[arm],
            xy=end,
            xytext=(EPOCHS + 0.4, places[arm]),
            va="center",
            fontsize=7.5,
            color=color,
            annotation_clip=False,
            arrowprops=LEADER,
        )
    axes.set(xlim=(4, EPOCHS), ylim=(BEST, WORST), xlabel="epoch", ylabel="validation bits per character")
    axes.set_xticks(range(4, EPOCHS + 1, 2))
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


def apart(levels: Mapping[str, float], gap: float) -> dict[str, float]:
    """Heights of labels as near to their levels as they can be, in the same order and `gap` apart.

    Labels that are too close join a block around the mean of their levels.
    """
    blocks: list[list[str]] = []
    for name in sorted(levels, key=levels.__getitem__):
        blocks.append([name])
        while len(blocks) > 1 and _heights(blocks[-1], levels, gap)[0] - _heights(blocks[-2], levels, gap)[-1] < gap:
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    return {name: y for block in blocks for name, y in zip(block, _heights(block, levels, gap), strict=True)}


def _heights(block: Sequence[str], levels: Mapping[str, float], gap: float) -> list[float]:
    middle = sum(levels[name] for name in block) / len(block)
    return [middle + gap * (index - (len(block) - 1) / 2) for index in range(len(block))]
