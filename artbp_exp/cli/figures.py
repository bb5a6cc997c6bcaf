"""`artbp-figures`: draw the figures from the records in a results folder."""

import argparse
from pathlib import Path

from artbp_exp.cli.errors import entry_point, folder_of, path
from artbp_exp.errors import UserError, nearest
from artbp_exp.evidence.experiments import EXPERIMENTS
from artbp_exp.evidence.figures.common import save
from artbp_exp.evidence.figures.curves import MOST, Line, curves, lines
from artbp_exp.runs.identity import distinct, identity
from artbp_exp.runs.load import has_result, load_all

CURVES = "curves"
EVIDENCE = {picture.name: (picture, each.made_by) for each in EXPERIMENTS for picture in each.figures}
"""Name of a figure → it, and the command that makes what it is drawn from."""

RESULTS, RUNS = Path("results"), Path("results/runs")


def draw(results: Path, out: Path | None, names: list[str]) -> list[Path]:
    """Draws the named figures of the evidence whose records are there, to `out` (None: their places in `results`)."""
    written, absent = [], {}
    for name in names:
        picture, made_by = EVIDENCE[name]
        figure = picture.draw(results)
        if figure is None:
            absent[name] = made_by
            continue
        files = save(figure, results / picture.file if out is None else out / name)
        written += files
        print(f"{name} → {files[0]}")
    if not written:
        own = sum(map(has_result, load_all(results)))
        advice = f"; it has {own} finished runs: artbp-figures {CURVES} {results}" if own else ""
        raise UserError(f"{results} holds nothing of this repository's evidence to draw {_these(names)} from{advice}")
    for name, command in absent.items():
        print(f"{name}: nothing to draw it from in {results}; `{command}` makes that")
    return written


def _these(names: list[str]) -> str:
    return ", ".join(names) if len(names) < len(EVIDENCE) else "its figures"


def draw_curves(root: Path, out: Path) -> list[Path]:
    """Draws the runs below a folder that have a result, whatever they are; returns the files written."""
    runs = load_all(root)
    done = [run for run in runs if has_result(run) and "task" in run.config]
    if not done:
        begun = f" ({len(runs)} begun)" if runs else ""
        raise UserError(
            f"no run below {root} has a result yet{begun}; name the folder of your runs: artbp-figures {CURVES} FOLDER"
        )
    once = [done[index] for index in distinct([identity(run.config) for run in done])]
    panels: dict[str, list[Line]] = {}
    for task in sorted({run.config["task"]["name"] for run in once}):
        mine = [run for run in once if run.config["task"]["name"] == task]
        panels[task] = lines(mine)
        if len(panels[task]) > MOST:
            print(
                f"{task}: {len(panels[task])} settings, of which the first {MOST} are drawn; name a folder with fewer"
            )
    written = save(curves(panels), out / CURVES)
    repeats = f", {len(done) - len(once)} more that repeat one of them" if len(done) > len(once) else ""
    rest = f", {len(runs) - len(done)} more without a result" if len(runs) > len(done) else ""
    print(f"{CURVES}: {len(once)} runs{repeats}{rest} → {written[0]}")
    return written


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(
        prog="artbp-figures",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Draw figures from the records of a results folder; runs nothing.",
        epilog=(
            f"of any runs, your own too, below a folder (default: {RUNS}):\n  {CURVES}: loss, validation loss or bits "
            "per character as training goes on, a line for each setting that differs\n"
            f"of this repository's evidence, laid out as in {RESULTS}, the default:\n"
            + "".join(f"  {name}\n" for name in EVIDENCE)
        ),
    )
    made.add_argument(
        "words",
        nargs="*",
        metavar="figure or folder",
        help="which, of those below (default: all of the evidence), and a folder of results or of runs",
    )
    made.add_argument("--results", type=path, help="the folder, where its name is that of a figure")
    made.add_argument("--out", type=path, default=None, help="where they go (default: inside the results folder)")
    return made


def sorted_out(words: list[str]) -> tuple[list[str], Path | None]:
    """The figures and the folder among the words of the command line."""
    names = [word for word in words if word in (*EVIDENCE, CURVES)]
    folders = [path(word) for word in words if word not in names]
    for folder in folders:
        if not folder.is_dir():
            valid = nearest(str(folder), [*EVIDENCE, CURVES])
            raise UserError(f"there is no figure and no folder {folder}; {valid}")
    if len(folders) > 1:
        raise UserError(f"{' and '.join(map(str, folders))} are {len(folders)} folders; name one")
    return names, folders[0] if folders else None


def main() -> None:
    """Entry point of `artbp-figures`."""
    with entry_point():
        options = parser().parse_args()
        names, options.folder = sorted_out(options.words)
        evidence = [name for name in names if name != CURVES] or ([] if names else list(EVIDENCE))
        for wanted, usual in ((evidence, RESULTS), ([CURVES] if CURVES in names else [], RUNS)):
            if not wanted:
                continue
            results = folder_of(options, usual)
            if wanted == [CURVES]:
                draw_curves(results, options.out or results / "figures")
            else:
                draw(results, options.out, wanted)


if __name__ == "__main__":
    main()
