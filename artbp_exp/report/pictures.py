"""The report's figures, drawn from the CSVs and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from artbp_exp.figures import influence_balancing, learning_rates
from artbp_exp.figures.paired_seeds import paired_seeds
from artbp_exp.figures.phase_diagram import phase_diagram
from artbp_exp.figures.phase_sizes import phase_sizes
from artbp_exp.figures.ptb_evidence import ptb_evidence
from artbp_exp.records.load import load_runs
from artbp_exp.report.claim import Claim
from artbp_exp.report.ptb_claims import TIERS, arms


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


def pictures(results: Path, claims: Sequence[Claim]) -> Iterator[Picture]:
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
            figure=ptb_evidence(arms(load_runs(results / TIERS[0].name), TIERS[0].settings), pd.read_csv(path)),
            caption=(
                "Penn Treebank, valid bits per character: our LSTM of 256 units, 10 epochs (lines), over the authors' "
                "logged runs, their cell of 1000 units, 20 epochs (mean ± sd of 6; github.com/ctallec/bigart). Another "
                "model at another size: shapes compare, levels do not."
            ),
        )
    rows = [
        (c.claim.removeprefix("ARTBP ends ahead of "), c.spread.points, c.spread.low, c.spread.high)
        for c in claims
        if c.spread and c.claim.startswith("ARTBP ends ahead of ")
    ]
    if rows:
        yield Picture(name="paired_seeds", figure=paired_seeds(rows), caption="ARTBP ahead of …: every seed a point.")
    for path in sorted((results / "diagnose").glob("*/*.png")):
        caption = path.with_suffix(".txt")
        yield Picture(
            name=str(path.relative_to(results).with_suffix("")),
            figure=None,
            caption=caption.read_text(encoding="utf-8").strip() if caption.is_file() else "",
        )
