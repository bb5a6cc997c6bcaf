"""What the figures share: how a method is called and coloured, and how a figure is saved."""

import functools
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ParamSpec
from zlib import crc32

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from artbp_exp.evidence.read import grouped
from artbp_exp.files import writing
from artbp_exp.runs.load import Run

P = ParamSpec("P")
Arm = tuple[str, float | None]
"""(method, truncation length) of a run."""

STYLE = Path(__file__).with_name("artbp.mplstyle")

COLORS = {
    "artbp": "#0072B2",
    "tbptt": "#D55E00",
    "random": "#009E73",
    "constant": "#CC79A7",
    "uniform": "#E69F00",
    "awd": "#56B4E9",
    "bptt": "#000000",
    "rtrl": "#882255",
    "snap1": "#AA4499",
    "uoro": "#44AA99",
    "kf_rtrl": "#117733",
    "pes": "#999933",
    "pes_analytic": "#DDCC77",
    "tprop": "#332288",
    "adaptive": "#888888",
    "dni": "#CC6677",
    "critic": "#661100",
    "sab": "#88CCEE",
    "reconstruct": "#5B7F00",
    "predict": "#7A5195",
}
"""Method → its colour in every figure; lengths and settings of one are shades of it.

The first seven are from Okabe & Ito (2008), the others from Tol's muted scheme (2021): safe for the colour-blind.
"""

OTHERS = ("#777777", "#A5681A", "#5B7F00", "#7A5195")
"""Colours of methods that are not listed: always the same one for a name."""

LINES = ["-", "--", "-.", ":"]
"""For print without colour."""


def color_of(method: str) -> str:
    """The colour of a method in every figure."""
    return COLORS.get(method) or OTHERS[crc32(method.encode()) % len(OTHERS)]


def note(figure: Figure, text: str) -> None:
    """A line below the panels: what the marks are, so that the figure needs no caption. Call it after the legend."""
    if figure.legends:
        figure.legends[0].set_title(text, prop=FontProperties(size=6.5))
    else:
        figure.supxlabel(text, fontsize=6.5)


def house_style(draw: Callable[P, Figure]) -> Callable[P, Figure]:
    """Draws in the house style, and leaves the style of everything else alone."""

    @functools.wraps(draw)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with mpl.rc_context(fname=STYLE):
            return draw(*args, **kwargs)

    return styled


def save(figure: Figure, path: Path) -> list[Path]:
    """Writes `path`.png and `path`.pdf, the same bytes for the same data. Returns what was written.

    Raises:
        UserError: they cannot be written.
    """
    written = [path.with_suffix(suffix) for suffix in (".png", ".pdf")]
    with writing(f"{path}.png and .pdf", "name another folder"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context(fname=STYLE):
            figure.savefig(written[0], metadata={"Software": None})
            figure.savefig(written[1], metadata={"CreationDate": None})
    return written


def arms(runs: Iterable[Run]) -> dict[Arm, list[Run]]:
    """Runs by method and length: methods in alphabetical order, lengths ascending."""
    ordered = sorted(runs, key=lambda run: (run.summary["method"], run.summary["length"] or 0))
    return grouped(ordered, lambda run: (run.summary["method"], run.summary["length"]))


def label(which: Arm) -> str:
    """A method's name in a legend."""
    method, length = which
    names = {"artbp": "ARTBP, $L_0$", "tbptt": "truncated BPTT, $L$"}
    return "full BPTT" if length is None else f"{names.get(method, method)} = {length:g}"


def plain(which: Arm) -> str:
    """The same without mathematical markup."""
    return label(which).replace("$L_0$", "L0").replace("$L$", "L")


def looks(which: Iterable[Arm]) -> dict[Arm, dict[str, Any]]:
    """Colour and line style of each: a colour for a method, from dark to light as the length grows."""
    lengths: dict[str, list[float | None]] = {}
    for method, length in which:
        lengths.setdefault(method, []).append(length)
    return {
        (method, length): {"color": shade(color_of(method), index, len(mine)), "linestyle": LINES[index % len(LINES)]}
        for method, mine in lengths.items()
        for index, length in enumerate(mine)
    }


def shade(color: str, index: int, count: int) -> Any:
    """The `index`-th of `count` shades of a colour, from dark to light; the colour itself where it is the only one."""
    if count == 1:
        return color
    place = 2 * index / (count - 1) - 1  # from −1, dark, to 1, light
    other, share = ((1.0, 1.0, 1.0), 0.5 * place) if place > 0 else ((0.0, 0.0, 0.0), -0.45 * place)
    return tuple((1 - share) * own + share * end for own, end in zip(to_rgb(color), other, strict=True))


def spread(runs: list[Run], column: str, grid: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Median, least and greatest over runs of a column against steps, on a common grid of steps.

    A run is read at the row before each step of the grid; after a divergence it has no value any more, and
    the median counts it as infinite.

    Args:
        runs: of one method, several seeds.
        column: of `metrics.csv`.
        grid: steps, ascending, shape (N,).

    Returns:
        Three arrays of shape (N,).
    """
    columns = []
    for run in runs:
        metrics = run.metrics("step", column).drop_duplicates("step", keep="last").set_index("step")[column]
        last = metrics.index[-1] if run.summary["status"] == "diverged" else np.inf
        columns.append(metrics.reindex(grid, method="ffill").where(grid <= last))
    table = pd.concat(columns, axis=1)
    many = table.notna().sum(axis=1) * 2 > len(runs)
    median = table.fillna(np.inf).median(axis=1).where(many)
    return median.to_numpy(), table.min(axis=1).to_numpy(), table.max(axis=1).to_numpy()


def band(axes: Axes, runs: list[Run], column: str, grid: np.ndarray, **look: Any) -> None:
    """Draws the median over runs as a line, and their range as a band; see `spread`."""
    median, least, greatest = spread(runs, column, grid)
    axes.plot(grid, median, **look)
    axes.fill_between(grid, least, greatest, color=look["color"], alpha=0.18, linewidth=0)
