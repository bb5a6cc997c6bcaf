"""Claims about unbiasedness and about lengths, from CSVs that the tools write."""

from pathlib import Path

import pandas as pd

from artbp_exp.figures.phase_diagram import reached
from artbp_exp.figures.phase_sizes import least_length, working
from artbp_exp.report.claim import NOT_YET, Claim
from artbp_exp.report.statistics import spread

EXACT = "Unbiasedness"
LENGTHS = "How long segments must be"


def verification_claims(results: Path) -> list[Claim]:
    """The rows from `results/verify/everything.csv`."""
    table = read(results / "verify" / "everything.csv")
    command = "make verify"
    if table is None:
        return [
            Claim(
                group=EXACT,
                claim="ARTBP's gradient is, on average, that of full BPTT",
                source="Proposition 1",
                quantity="relative bias by enumeration",
                spread=None,
                verdict=NOT_YET,
                command=command,
            )
        ]
    sound = table[table["expected"] == "certified"]
    biased = table[table["expected"] == "refuted"]
    formula = sound.dropna(subset=["variance_error"])
    return [
        Claim(
            group=EXACT,
            claim="ARTBP's gradient is, on average, that of full BPTT",
            source="Proposition 1",
            quantity="relative bias over all ways to cut a short sequence, a point for each method × model × engine",
            spread=spread(sound["relative_bias"].tolist()),
            verdict="holds" if (sound["verdict"] == "certified").all() else "does not hold",
            command=command,
            note=f"{len(sound)} combinations certified, in float64; largest bias {sound['relative_bias'].max():.1e}",
        ),
        Claim(
            group=EXACT,
            claim="Truncated BPTT, uncompensated cuts and four broken variants of ARTBP are biased, and are found out",
            source="section 3; this project",
            quantity="relative bias, as above",
            spread=spread(biased["relative_bias"].tolist()),
            verdict="holds" if (biased["verdict"] == "refuted").all() else "does not hold",
            command=command,
            note=f"{len(biased)} combinations refuted, least bias {biased['relative_bias'].min():.1e}",
        ),
        Claim(
            group=EXACT,
            claim="The variance is Σ_t E[c_t/(1 − c_t)·‖ε_t G_t‖²]",
            source="this project",
            quantity="relative difference between enumerated variance and formula, a point for each combination",
            spread=spread(formula["variance_error"].tolist()),
            verdict="holds" if (formula["variance_error"] < 1e-9).all() else "does not hold",
            command=command,
            note="zero where a method never cuts",
        ),
    ]


def length_claims(results: Path) -> list[Claim]:
    """The rows from the phase diagrams."""
    return [*_diagram(results), *_sizes(results)]


def _diagram(results: Path) -> list[Claim]:
    cells = read(results / "phase_diagram" / "cells.csv")
    claim, quantity = (
        "Without reweighting, random cuts do not do what ARTBP does",
        "least (mean) length that reaches θ* at some learning rate: uncompensated cuts over ARTBP",
    )
    command = "make phase"
    if cells is None:
        return [
            Claim(
                group=LENGTHS,
                claim=claim,
                source="this project",
                quantity=quantity,
                spread=None,
                verdict=NOT_YET,
                command=command,
            )
        ]
    near = cells.assign(near=reached(cells))
    least = {}
    for name, (method, reweight) in {
        "tbptt": ("tbptt", True),
        "artbp": ("artbp", True),
        "raw": ("artbp", False),
    }.items():
        mine = near[(near["method"] == method) & (near["reweight"] == reweight)]
        works = mine.groupby(["length", "lr"])["near"].all().groupby("length").any()
        least[name] = float(works[works].index.min()) if works.any() else float("inf")
    longest = float(cells["length"].max())

    def said(name: str) -> str:
        return f"{least[name]:g}" if least[name] <= longest else f"none up to {longest:g}"

    return [
        Claim(
            group=LENGTHS,
            claim=claim,
            source="this project",
            quantity=quantity,
            spread=spread([min(least["raw"], longest) / least["artbp"]]),
            verdict="holds" if least["raw"] > least["artbp"] else "does not hold",
            command=command,
            note=(
                f"least length at which every seed reaches θ* at some learning rate: ARTBP {said('artbp')}, "
                f"uncompensated {said('raw')}, truncated BPTT {said('tbptt')}; one number for the whole grid"
            ),
        )
    ]


def _sizes(results: Path) -> list[Claim]:
    cells = read(results / "phase_sizes" / "cells.csv")
    found, note, verdict = None, "", NOT_YET
    if cells is not None:
        works = working(cells)
        truncated, artbp = least_length(works, "tbptt"), least_length(works, "artbp")
        shortest = works[works["method"] == "artbp"].groupby("size")["length"].min()
        sizes = [n for n in sorted(truncated.index) if n in artbp.index]
        if sizes:
            ratios = [float(truncated[n] / artbp[n]) for n in sizes]
            found = spread(ratios)
            verdict = "holds" if min(ratios) > 1 else "does not hold"
            # where the shortest length tried works, a shorter one might, too
            said = [f"{truncated[n]:g} against {'≤ ' if artbp[n] == shortest[n] else ''}{artbp[n]:g}" for n in sizes]
            note = "; ".join(f"n = {n}: {words}" for n, words in zip(sizes, said, strict=True))
    return [
        Claim(
            group=LENGTHS,
            claim="At every size of the system ARTBP needs shorter segments than truncated BPTT",
            source="this project",
            quantity="least length of truncated BPTT over least mean length of ARTBP, a point for each size; no seeds",
            spread=found,
            verdict=verdict,
            command="make phase",
            note=note,
        )
    ]


def read(path: Path) -> pd.DataFrame | None:
    """A CSV, None where it is not there."""
    return pd.read_csv(path) if path.is_file() else None
