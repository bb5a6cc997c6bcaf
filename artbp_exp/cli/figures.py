"""`artbp-figures`: draw the figures from the records in a results folder."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from artbp_exp.cli.errors import explained
from artbp_exp.errors import UserError
from artbp_exp.figures import influence_balancing, learning_rates, penn_treebank, segment_lengths
from artbp_exp.figures.common import save
from artbp_exp.records.load import Run, load_runs


def random_cuts(run: Run) -> bool:
    """Whether a run drew its segment lengths."""
    return "schedule" in run.config["method"]


# name → (which folder of the results, which runs of it, how they are drawn)
FIGURES: dict[str, tuple[str, Callable[[Run], bool], Callable[[list[Run]], Figure]]] = {
    "influence_balancing": ("influence_balancing", lambda run: True, influence_balancing),
    "learning_rates": ("learning_rates", lambda run: True, learning_rates),
    "penn_treebank": ("ptb_256", lambda run: True, penn_treebank),
    "segment_lengths": (".", random_cuts, segment_lengths),
}


def draw(results: Path, out: Path, names: list[str]) -> list[Path]:
    """Draws the named figures whose runs are there.

    Args:
        results: folder with one folder of runs for each experiment.
        out: where the figures go.
        names: of `FIGURES`.

    Returns:
        The files written.

    Raises:
        UserError: there is no run for any of them.
    """
    written = []
    for name in names:
        below, wanted, figure = FIGURES[name]
        folders = [results / below] if below != "." else [results / f for f, _, _ in FIGURES.values() if f != "."]
        runs = [run for folder in folders for run in load_runs(folder) if wanted(run)]
        if not runs:
            print(f"{name}: no runs yet in {results / below}; `artbp-run -m experiment={below} …` makes them")
            continue
        files = save(figure(runs), out / name)
        written += files
        print(f"{name}: {len(runs)} runs → {files[0]}")
    if not written:
        raise UserError(f"no finished runs below {results}: nothing to draw")
    return written


def main() -> None:
    """Entry point of `artbp-figures`."""
    parser = argparse.ArgumentParser(
        prog="artbp-figures", description="Draw the figures from the CSVs of a results folder; runs nothing."
    )
    parser.add_argument("names", nargs="*", metavar="figure", help=f"which: {', '.join(FIGURES)} (default: all)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder of results (default: results)")
    parser.add_argument("--out", type=Path, default=None, help="where they go (default: <results>/figures)")
    options = parser.parse_args()
    with explained():
        for name in options.names:
            if name not in FIGURES:
                raise UserError(f"there is no figure {name}; valid: {', '.join(FIGURES)}")
        draw(options.results, options.out or options.results / "figures", options.names or list(FIGURES))
    sys.stdout.flush()


if __name__ == "__main__":
    main()
