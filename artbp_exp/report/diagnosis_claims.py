"""Rows on bias, variance and memory, from what `artbp-diagnose` wrote into `results/diagnose`."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from artbp_exp.report.claim import NOT_YET, Claim
from artbp_exp.report.exact_claims import read
from artbp_exp.report.statistics import spread

GROUP = "Bias, variance and memory at a checkpoint"
CHECKPOINTS = {"synthetic": "influence balancing at its start", "ptb": "Penn Treebank, a trained LSTM"}


def diagnosis_claims(results: Path) -> list[Claim]:
    """The rows for each checkpoint that was diagnosed."""
    return [claim for name in CHECKPOINTS for claim in _checkpoint(name, results / "diagnose" / name)]


def _checkpoint(name: str, folder: Path) -> Iterator[Claim]:
    table, about = read(folder / "methods.csv"), read(folder / "checkpoint.csv")
    command = "artbp-diagnose" if about is None else str(about["command"].iloc[0])
    where = CHECKPOINTS[name]
    yield _formula(table, where, command)
    yield _smaller_error(table, where, command)


def _formula(table: pd.DataFrame | None, where: str, command: str) -> Claim:
    found, verdict = None, NOT_YET
    if table is not None:
        rows = table.dropna(subset=["predicted"])
        found = spread((rows["variance"] / rows["predicted"]).tolist())
        # either interval may do: both sides are estimates
        apart = (rows["variance_high"] < rows["predicted_low"]) | (rows["variance_low"] > rows["predicted_high"])
        verdict = "holds" if not apart.any() else "not settled"
    return Claim(
        group=GROUP,
        claim=f"The measured variance is the one that the exact formula predicts ({where})",
        source="this project",
        quantity="measured over predicted variance, a point for each method; no seeds",
        spread=found,
        verdict=verdict,
        command=command,
        note="holds: the 95 % intervals of both overlap for every method",
    )


def _smaller_error(table: pd.DataFrame | None, where: str, command: str) -> Claim:
    found, verdict, note = None, NOT_YET, ""
    if table is not None:
        rows = table[(table["comparison"] == "length") & table["reweight"]]
        paper = rows[rows["schedule"] == "paper"].set_index("length")
        truncated = rows[rows["method"] == "tbptt"].set_index("length")
        both = [length for length in paper.index if length in truncated.index]
        if both:
            # an unbiased estimate's error is its variance; truncation's is its squared bias
            ratios = [float(truncated.loc[n, "bias2"] / paper.loc[n, "variance"]) for n in both]
            found = spread(ratios)
            verdict = "holds" if min(ratios) > 1 else "does not hold" if max(ratios) < 1 else "not settled"
            agree = "" if verdict != "not settled" else "it depends on the length: "
            note = agree + "; ".join(
                f"length {n:g}: truncated BPTT's squared bias {truncated.loc[n, 'bias2']:.3g}, "
                f"ARTBP's variance {paper.loc[n, 'variance']:.3g}"
                for n in both
            )
    return Claim(
        group=GROUP,
        claim=f"At equal length a single gradient of ARTBP is nearer the truth than truncated BPTT's ({where})",
        source="this project (the paper claims no such thing: its errors average out, truncation's do not)",
        quantity="squared bias of truncated BPTT over variance of ARTBP, a point for each length; no seeds",
        spread=found,
        verdict=verdict,
        command=command,
        note=note,
    )
