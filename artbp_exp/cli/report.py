"""`artbp-report`: the paper's claims against the CSVs of a results folder."""

import argparse
from pathlib import Path

from artbp_exp.cli.errors import entry_point, folder_of, takes_folder
from artbp_exp.evidence.report.render import tally
from artbp_exp.evidence.report.write import write_report

RESULTS = Path("results")


def parser() -> argparse.ArgumentParser:
    """Of the command line."""
    made = argparse.ArgumentParser(
        prog="artbp-report",
        description="Write report.md and report.html, the paper's claims against this repository's evidence, from the "
        "CSVs of a results folder; runs nothing. For runs of your own: artbp-figures curves, artbp-collect.",
    )
    takes_folder(made, RESULTS, "folder of results")
    return made


def main() -> None:
    """Entry point of `artbp-report`."""
    with entry_point():
        options = parser().parse_args()
        claims, written = write_report(folder_of(options, RESULTS))
        for claim in claims:
            print(f"{claim.verdict:<17} {claim.counted:<17} {claim.claim}")
        print(tally(claims))
        print(" ".join(str(path) for path in written))


if __name__ == "__main__":
    main()
