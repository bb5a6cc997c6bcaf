"""`artbp-collect`: a tree of run folders → one tidy table, and a summary on the terminal."""

import argparse
import importlib.util
import sys
from pathlib import Path

import pandas as pd

from artbp_exp.cli.errors import entry_point, folder_of, path, takes_folder
from artbp_exp.errors import UserError
from artbp_exp.files import write_atomically, writing
from artbp_exp.runs.table import collect, summarise

RUNS = Path("results/runs")


def write(table: pd.DataFrame, out: Path) -> None:
    """Writes the table: Parquet (with pyarrow) if the name says so, else CSV."""
    if out.suffix == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UserError(f"{out}: Parquet needs pyarrow; pip install 'artbp-exp[parquet]' (or pyarrow), or name a .csv")
    with writing(out, "name another with --out"):
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.suffix == ".parquet":
            # a setting may be a number here and a word there: a column of Parquet is of one type
            mixed = [c for c in table.columns if table[c].dropna().map(type).nunique() > 1]
            typed = table.astype(dict.fromkeys(mixed, str))
            write_atomically(out, lambda path: typed.to_parquet(path, index=False))
        else:
            write_atomically(out, lambda path: table.to_csv(path, index=False, lineterminator="\n"))


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(
        prog="artbp-collect", description="Gather run folders into one table, settings as columns; runs nothing."
    )
    takes_folder(made, RUNS, "folder of runs")
    made.add_argument("--out", type=path, default=None, help="a .csv or .parquet (default: <root>/collected.csv)")
    return made


def main() -> None:
    """Entry point of `artbp-collect`."""
    with entry_point():
        options = parser().parse_args()
        root = folder_of(options, RUNS)
        table, skipped = collect(root)
        for line in skipped:
            print(f"warning: {line}", file=sys.stderr)
        if table.empty:
            raise UserError(f"no run folders below {root}; name the folder that results_dir named")
        out = options.out or root / "collected.csv"
        write(table, out)
        with pd.option_context("display.width", 0, "display.max_columns", None, "display.max_colwidth", 60):
            print((summary := summarise(table)).to_string(index=False))
        counts = ", ".join(f"{count} {status}" for status, count in table["status"].value_counts().items())
        repeats = len(table) - int(summary["runs"].sum())
        again = f"; {repeats} repeat{'' if repeats > 1 else 's'} another, which counts once" if repeats else ""
        print(f"{len(table)} runs ({counts}{again}) → {out}")


if __name__ == "__main__":
    main()
