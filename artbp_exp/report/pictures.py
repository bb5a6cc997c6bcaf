"""The report's figures, drawn from the CSVs and nothing else."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from artbp_exp.figures import influence_balancing, learning_rates
from artbp_exp.figures.paired_seeds import paired_seeds
from artbp_exp.figures.phase_diagram import phase_diagram
from artbp_exp.figures.phase_sizes import phase_sizes
from artbp_exp.figures.ptb_evidence import ptb_evidence
from artbp_exp.records.load import load_all, load_runs
from artbp_exp.report.ptb_claims import TIERS, arms, leads


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure of the report.

    Attributes:
        name: of its files.
        figure: drawn; None where it lies in the results already.
        caption: a sentence or two.
    """

    name: str
    figure: Figure | None
    caption: str


def pictures(results: Path) -> Iterator[Picture]:
    """All figures whose CSVs are there."""
    if runs := load_runs(results / "influence_balancing"):
        yield Picture(
            name="influence_balancing",
            figure=influence_balancing(runs),
            caption="Influence balancing: loss and θ against steps, median and range over seeds.",
        )
    if runs := load_runs(results / "learning_rates"):
        yield Picture(
            name="learning_rates",
            figure=learning_rates(runs),
            caption="Influence balancing: distance from θ* after 10⁶ steps against the learning rate; a point a seed.",
        )
    if (path := results / "phase_diagram" / "cells.csv").is_file():
        yield Picture(
            name="phase_diagram",
            figure=phase_diagram(pd.read_csv(path)),
            caption=(
                "Influence balancing: final loss over length × learning rate, median of 5 seeds (truncated BPTT draws "
                "nothing: one). Dot: every seed reached θ*. Cross: a seed or more ended as diverged."
            ),
        )
    path, signs = results / "phase_sizes" / "cells.csv", results / "phase_sizes" / "signs.csv"
    if path.is_file() and signs.is_file():
        yield Picture(
            name="phase_sizes",
            figure=phase_sizes(pd.read_csv(path), pd.read_csv(signs)),
            caption="The length that each method needs, against the size of the system (10 plus to 13 minus signs).",
        )
    if (path := results / "authors" / "ptb_epochs.csv").is_file():
        yield Picture(
            name="ptb_evidence",
            figure=ptb_evidence(
                {tier.title: arms(load_all(results / tier.name), tier.settings) for tier in TIERS}, pd.read_csv(path)
            ),
            caption=(
                "Penn Treebank. Above, valid bits per character, a line a seed, over the authors' logged runs: their "
                "cell of 1000 units, 20 epochs, the state reset (bands: mean ± sd of 6; github.com/ctallec/bigart). "
                "Another model at another size: shapes compare, levels do not. Below, by how much ARTBP is ahead of "
                "truncated BPTT (orange) and of random cuts without reweighting (green) at the end of each epoch, "
                "paired by seed; the band is what the authors' logs give."
            ),
        )
    if found := leads(results):
        points = {
            family: {
                method: {part: (lead.points, lead.low, lead.high) for part, lead in parts.items()}
                for method, parts in methods.items()
            }
            for family, methods in found.items()
        }
        yield Picture(
            name="paired_seeds",
            figure=paired_seeds(points),
            caption=(
                "Penn Treebank: by how much ARTBP ends ahead, at the best valid epoch of each run. Every seed a point; "
                "bar: 95 % interval of their median, where there are three or more."
            ),
        )
    for path in sorted((results / "diagnose").glob("*/*.png")):
        caption = path.with_suffix(".txt")
        yield Picture(
            name=str(path.relative_to(results).with_suffix("")),
            figure=None,
            caption=caption.read_text(encoding="utf-8").strip() if caption.is_file() else "",
        )
