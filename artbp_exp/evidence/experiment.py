"""What an experiment of the evidence declares: sources, recipes, claims, figures and tables."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from artbp_exp.evidence.claims.claim import Claim
from artbp_exp.evidence.read import read
from artbp_exp.evidence.recipe import recipe
from artbp_exp.runs.load import Run, load_runs

Draw = Callable[[Path], Figure | None]
Table = Callable[[Path], str]
Found = TypeVar("Found")


def drawn(figure: Callable[[Found], Figure], found_in: Callable[[Path], Found]) -> Draw:
    """Draws what is found in a results folder, unless that is empty."""

    def draw(results: Path) -> Figure | None:
        found = found_in(results)
        return figure(found) if found else None

    return draw


def of_runs(figure: Callable[[list[Run]], Figure], folder: str) -> Draw:
    """Draws the runs in a folder that have their result."""
    return drawn(figure, lambda results: load_runs(results / folder))


def of_tables(figure: Callable[..., Figure], *files: str | Path) -> Draw:
    """Draws CSVs, if all of them are there and have a row."""

    def draw(results: Path) -> Figure | None:
        tables = [read(results / file) for file in files]
        return None if any(table.empty for table in tables) else figure(*tables)

    return draw


def nothing(results: Path) -> tuple[()]:
    """No claims, and no commands."""
    return ()


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure that is drawn from a results folder.

    Attributes:
        file: of its PNG and PDF, below the results folder, without the suffix.
        draw: results folder → the figure; None where what it is drawn from is not there.
        caption: a sentence or two for the report; empty where the report leaves it out.
    """

    file: str
    draw: Draw
    caption: str = ""

    @property
    def name(self) -> str:
        """What `artbp-figures` calls it."""
        return self.file.removeprefix("figures/")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """An experiment of the evidence.

    Attributes:
        heading: of the report under which it stands; experiments that share one follow one another.
        sources: files and folders below the results folder that it is made from; by default those of its recipes.
        recipes: in `conf/experiment`, whose commands make the runs.
        made_by: the command that makes all of the sources.
        claims: results folder → its rows of the report; `nothing` where it is no part of the report.
        commands: results folder → commands besides those of the recipes.
        figures: drawn from it.
        tables: file → name of its mark → what stands there.
    """

    heading: str
    sources: tuple[str, ...] = ()
    recipes: tuple[str, ...] = ()
    made_by: str
    claims: Callable[[Path], Iterable[Claim]] = nothing
    commands: Callable[[Path], Iterable[str]] = nothing
    figures: tuple[Picture, ...] = ()
    tables: Mapping[str, Mapping[str, Table]] = field(default_factory=dict)

    @property
    def records(self) -> tuple[str, ...]:
        """What it is made from."""
        return self.sources or self.recipes

    def all_commands(self, results: Path) -> list[str]:
        """Every command that made it."""
        return [*(command for name in self.recipes for command in recipe(name).commands), *self.commands(results)]
