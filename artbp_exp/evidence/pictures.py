"""Every figure of this repository's evidence, and what it is drawn from; `artbp-figures` and the report share it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from artbp_exp.evidence import length_claims, ptb_claims, synthetic_claims
from artbp_exp.evidence.diagnosis_claims import CHECKPOINTS
from artbp_exp.evidence.figures import influence_balancing, learning_rates, segment_lengths
from artbp_exp.evidence.figures.paired_seeds import paired_seeds
from artbp_exp.evidence.figures.phase_diagram import phase_diagram
from artbp_exp.evidence.figures.phase_sizes import phase_sizes
from artbp_exp.evidence.figures.ptb_evidence import ptb_evidence
from artbp_exp.evidence.ptb_claims import leads
from artbp_exp.evidence.ptb_runs import TIERS, arms
from artbp_exp.evidence.read import AUTHORS, read
from artbp_exp.runs.load import Run, load_all, load_runs

Draw = Callable[[Path], Figure | None]


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure that is drawn from a results folder.

    Attributes:
        name: of its files.
        draw: results folder → the figure; None where what it is drawn from is not there.
        made_by: command that makes what it is drawn from.
        group: heading of the report under which it stands; empty where the report leaves it out.
        caption: a sentence or two.
    """

    name: str
    draw: Draw
    made_by: str
    group: str = ""
    caption: str = ""


def _runs(folder: str, figure: Callable[[list[Run]], Figure]) -> Draw:
    def draw(results: Path) -> Figure | None:
        runs = load_runs(results / folder)
        return figure(runs) if runs else None

    return draw


def _tables(figure: Callable[..., Figure], *files: str) -> Draw:
    def draw(results: Path) -> Figure | None:
        tables = [table for file in files if (table := read(results / file)) is not None and len(table)]
        return figure(*tables) if len(tables) == len(files) else None

    return draw


def _segment_lengths(results: Path) -> Figure | None:
    folders = ("influence_balancing", "learning_rates", "ptb_tier1")
    runs = [run for folder in folders for run in load_runs(results / folder) if "schedule" in run.config["method"]]
    return segment_lengths(runs) if runs else None


def _ptb_evidence(results: Path) -> Figure | None:
    authors = read(results / "authors" / "ptb_epochs.csv", AUTHORS, words=("method",))
    families = {tier.title: arms(load_all(results / tier.name), tier.settings) for tier in TIERS}
    return None if authors is None else ptb_evidence(families, authors)


def _paired_seeds(results: Path) -> Figure | None:
    points = {
        family: {
            method: {part: (lead.points, lead.low, lead.high) for part, lead in parts.items()}
            for method, parts in methods.items()
        }
        for family, methods in leads(results).items()
    }
    return paired_seeds(points) if points else None


PICTURES = (
    Picture(
        name="influence_balancing",
        draw=_runs("influence_balancing", influence_balancing),
        made_by="make evidence",
        group=synthetic_claims.GROUP,
        caption="Influence balancing: loss and θ against steps, median and range over seeds.",
    ),
    Picture(
        name="learning_rates",
        draw=_runs("learning_rates", learning_rates),
        made_by="make evidence",
        group=synthetic_claims.GROUP,
        caption="Influence balancing: distance from θ* after 10⁶ steps against the learning rate; a point a seed.",
    ),
    Picture(
        name="phase_diagram",
        draw=_tables(phase_diagram, "phase_diagram/cells.csv"),
        made_by="make phase",
        group=length_claims.LENGTHS,
        caption=(
            "Influence balancing: final loss over length × learning rate, median of 5 seeds (truncated BPTT draws "
            "nothing: one). Dot: every seed reached θ*. Cross: a seed or more ended as diverged."
        ),
    ),
    Picture(
        name="phase_sizes",
        draw=_tables(phase_sizes, "phase_sizes/cells.csv", "phase_sizes/signs.csv"),
        made_by="make phase",
        group=length_claims.LENGTHS,
        caption="The length that each method needs, against the size of the system (10 plus to 13 minus signs).",
    ),
    Picture(name="segment_lengths", draw=_segment_lengths, made_by="make evidence"),
    Picture(
        name="ptb_evidence",
        draw=_ptb_evidence,
        made_by="git checkout results/authors/ptb_epochs.csv",
        group=ptb_claims.GROUP,
        caption=(
            "Penn Treebank. Above, valid bits per character, a line a seed, over the authors' logged runs: their "
            "cell of 1000 units, 20 epochs, the state reset (bands: mean ± sd of 6; github.com/ctallec/bigart). "
            "Another model at another size: shapes compare, levels do not. Below, by how much ARTBP is ahead of "
            "truncated BPTT (orange) and of random cuts without reweighting (green) at the end of each epoch, "
            "paired by seed; the band is what the authors' logs give there."
        ),
    ),
    Picture(
        name="paired_seeds",
        draw=_paired_seeds,
        made_by="make evidence",
        group=ptb_claims.GROUP,
        caption=(
            "Penn Treebank: by how much ARTBP is ahead, valid and test at the best valid epoch of each run, and valid "
            "at the end of the last epoch. Every seed a point; bar: 95 % interval of their median, where there are "
            "three or more."
        ),
    ),
)


def diagnosis_pictures(results: Path) -> Iterator[tuple[Path, str]]:
    """(PNG, caption) of what `artbp-diagnose` drew; without the command, which the report names once."""
    for name, where in CHECKPOINTS.items():
        for path in sorted((results / "diagnose" / name).glob("*.png")):
            file = path.with_suffix(".txt")
            said = file.read_text(encoding="utf-8").strip() if file.is_file() else ""
            words = said.partition(" Made by `")[0].removeprefix(f"{name}: ")
            yield path, f"{where[0].upper()}{where[1:]}: {words or path.stem}"
