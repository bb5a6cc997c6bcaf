"""Figure: Penn Treebank, our runs over the authors' logged curves."""

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from artbp_exp.figures.common import STYLE
from artbp_exp.records.load import Run

COLORS = {"artbp": "#0072B2", "tbptt": "#D55E00", "random": "#009E73"}
NAMES = {"artbp": "ARTBP", "tbptt": "truncated BPTT", "random": "random cuts, not reweighted"}


def ptb_evidence(arms: dict[tuple[str, bool], dict[int, Run]], authors: pd.DataFrame) -> Figure:
    """Valid bits per character against epochs, state carried and reset; a line for each seed, the authors' as bands.

    Args:
        arms: (method, carry_state) → seed → run.
        authors: `results/authors/ptb_epochs.csv`: mean ± sd over 6 logged runs of each method.
    """
    with mpl.rc_context(fname=STYLE):
        figure = Figure()
        panels = figure.subplots(1, 2, sharey=True)
        for axes, carried in zip(panels, (True, False), strict=True):
            for method in ("artbp", "tbptt"):
                log = authors[authors["method"] == method]
                mean, sd = log["valid_bpc_mean"], log["valid_bpc_sd"]
                band = {"color": COLORS[method], "alpha": 0.18, "linewidth": 0}
                axes.fill_between(log["epoch"], mean - sd, mean + sd, label=f"authors' logs: {NAMES[method]}", **band)
                axes.plot(log["epoch"], mean, color=COLORS[method], linewidth=0.8, linestyle=":")
            for method, name in NAMES.items():
                runs = arms.get((method, carried), {})
                for index, run in enumerate(runs.values()):
                    epochs = run.metrics().dropna(subset=["valid_bpc"])
                    label = f"{name} ({len(runs)} seed{'s' if len(runs) > 1 else ''})" if index == 0 else None
                    axes.plot(
                        epochs["epoch"],
                        epochs["valid_bpc"],
                        marker=".",
                        markersize=3,
                        color=COLORS[method],
                        label=label,
                    )
            axes.set(xlabel="epoch", title="State carried across cuts" if carried else "State reset at cuts")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.legend(loc="upper right", fontsize=6.5)
        panels[0].set(ylabel="valid bits per character", ylim=(1.4, 2.3))
        return figure
