"""Puts the numbers of the committed CSVs into README.md and docs/, between markers: none is typed by hand."""

import re
from pathlib import Path

from artbp_exp.evidence.experiments import EXPERIMENTS

RESULTS = Path("results")


def main() -> None:
    """Rewrites the marked blocks, which `EXPERIMENTS` declares."""
    for experiment in EXPERIMENTS:
        for file, tables in experiment.tables.items():
            text = Path(file).read_text(encoding="utf-8")
            for name, make in tables.items():
                block = f"<!-- numbers: {name} -->\n{make(RESULTS)}\n<!-- end -->"
                mark = rf"<!-- numbers: {name} -->.*?<!-- end -->"
                text, count = re.subn(mark, lambda _, b=block: b, text, flags=re.DOTALL)
                if count != 1:
                    raise SystemExit(f"{file} has {count} blocks for {name}, not one")
            Path(file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
