"""Figure: bits per character on Penn Treebank, epoch by epoch."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artbp_exp.figures.common import arms, house_style, label, look, new_figure
from artbp_exp.records.load import Run


@house_style
def penn_treebank(runs: list[Run]) -> Figure:
    """Train (running) and valid bits per character against epochs, a thin line for each seed.

    Args:
        runs: of the `ptb` task.
    """
    figure, panels = new_figure(2)
    for axes, part in zip(panels, ("train", "valid"), strict=True):
        for index, (which, members) in enumerate(arms(runs).items()):
            seeds = f"{len(members)} seed{'s' if len(members) > 1 else ''}"
            for k, run in enumerate(members):
                epochs = run.metrics().dropna(subset=["valid_bpc"])
                axes.plot(
                    epochs["epoch"],
                    epochs[f"{part}_bpc"],
                    marker=".",
                    markersize=4,
                    label=f"{label(which)} ({seeds})" if k == 0 else None,
                    **look(which, index),
                )
        axes.set(xlabel="epoch", ylabel="bits per character", title=part.capitalize())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[1].legend(loc="upper right", bbox_to_anchor=(1.0, 1.02))
    return figure
