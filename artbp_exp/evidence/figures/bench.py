"""Figure: how fast the engines are, against what people would use instead."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from artbp_exp.evidence.figures.common import COLORS, house_style, note, shade

BASE = "nn.LSTM one-hot"
BARS = [
    ("artbp fused", "ARTBP, fused", COLORS["artbp"]),
    ("artbp every=10 vendor", "ARTBP, every=10, oneDNN's nn.LSTM", shade(COLORS["artbp"], 1, 2)),
    ("tbptt fused", "truncated BPTT, fused", COLORS["tbptt"]),
    (BASE, "truncated nn.LSTM, one-hot", shade(COLORS["tbptt"], 1, 2)),
    ("nn.LSTM embedding", "truncated nn.LSTM, embedding", shade(COLORS["tbptt"], 0, 2)),
    ("artbp plain", "ARTBP, plain engine", "#999999"),
    ("artbp loop one-hot", "ARTBP, loop over nn.LSTMCell, one-hot", "#BBBBBB"),
    ("artbp loop embedding", "ARTBP, loop over nn.LSTMCell, embedding", "#DDDDDD"),
]


@house_style
def bench(throughput: pd.DataFrame, sequence: pd.DataFrame, mean: pd.DataFrame) -> Figure:
    """Rates relative to truncated `nn.LSTM` on one-hot vectors; cost against sequence and mean segment length."""
    figure = Figure(figsize=(10.5, 3.6))
    left, middle, right = figure.subplots(1, 3)
    table = throughput.pivot(index="hidden", columns="contestant", values="median")
    width = 0.8 / len(BARS)
    for index, (name, label, color) in enumerate(BARS):
        relative = table[name] / table[BASE]
        places = [place + (index - len(BARS) / 2 + 0.5) * width for place in range(len(table))]
        left.bar(places, relative, width, label=label, color=color)
    left.axhline(1, color="black", linewidth=0.8)
    left.set_xticks(range(len(table)), [str(hidden) for hidden in table.index])
    left.set(xlabel="hidden units", ylabel="rate relative to nn.LSTM on one-hot", title="Training rate")
    # below all panels: eight entries would cover the bars
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    _lines(middle, sequence.assign(method="artbp"), "sequence_length")
    middle.set(xlabel="length of the sequence (steps)", title=f"ARTBP, fused, {sequence['hidden'].iloc[0]} units")
    _lines(right, mean, "mean_length")
    right.set(xlabel="mean segment length (steps)", title=f"Fused, {mean['hidden'].iloc[0]} units")
    right.legend()
    note(figure, "bars: median rate over that of truncated nn.LSTM on one-hot vectors; bands: least and greatest")
    return figure


def _lines(axes: Axes, table: pd.DataFrame, column: str) -> None:
    names = {"artbp": ("ARTBP", "-o"), "tbptt": ("truncated BPTT", "--s")}
    for method, group in table.groupby("method"):
        (label, style), color = names[str(method)], COLORS[str(method)]
        micro = 1e6 / group.set_index(column)[["median", "least", "greatest"]].sort_index()
        axes.plot(micro.index, micro["median"], style, color=color, label=label, markersize=3)
        axes.fill_between(micro.index, micro["greatest"], micro["least"], color=color, alpha=0.15)
    axes.set(xscale="log", ylabel="µs per symbol", ylim=(0, None))
    measured = sorted(table[column].unique())
    axes.set_xticks(measured, [f"{value:g}" for value in measured])
    axes.minorticks_off()
