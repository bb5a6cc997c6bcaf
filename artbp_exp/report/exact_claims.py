"""Claims about unbiasedness, from what `artbp-verify` wrote."""

from pathlib import Path

import pandas as pd

from artbp_exp.report.claim import NOT_YET, Claim
from artbp_exp.report.statistics import bare

EXACT = "Unbiasedness"


def exact_claims(results: Path) -> list[Claim]:
    """The rows from `results/verify/everything.csv`."""
    table = read(results / "verify" / "everything.csv")
    command = "make verify"
    if table is None:
        return [
            Claim(
                group=EXACT,
                claim="ARTBP's gradient is, on average, that of full BPTT",
                source="Proposition 1",
                quantity="relative bias over all ways to cut a short sequence",
                spread=None,
                verdict=NOT_YET,
                command=command,
            )
        ]
    sound, biased = table[table["expected"] == "certified"], table[table["expected"] == "refuted"]
    # full BPTT, and truncated BPTT longer than the sequence, are unbiased for want of cuts: they prove nothing here
    drawn = sound[sound["method"].str.startswith("artbp") & (sound["patterns"] > 1)]
    formula = drawn.dropna(subset=["variance_error"])
    broken = biased[biased["engine"].str.startswith("broken: ")]["engine"].nunique()
    return [
        Claim(
            group=EXACT,
            claim="ARTBP's gradient is, on average, that of full BPTT",
            source="Proposition 1",
            quantity=(
                "relative bias: the mean gradient over all ways to cut a short sequence, each with its probability, "
                "against the true gradient; a point for each combination of method, model and engine"
            ),
            spread=bare(drawn["relative_bias"].tolist()),
            unit="combinations",
            verdict="holds" if (drawn["verdict"] == "certified").all() else "does not hold",
            command=command,
            note=(
                f"{(drawn['verdict'] == 'certified').sum()} of {len(drawn)} agree but for rounding, in float64; "
                f"largest bias {drawn['relative_bias'].max():.1e}; {len(sound) - len(drawn)} more never cut and are "
                "not counted"
            ),
        ),
        Claim(
            group=EXACT,
            claim=(
                f"Truncated BPTT, random cuts without reweighting and {broken} broken variants of ARTBP are biased, "
                "and the check detects it"
            ),
            source="section 3; this project",
            quantity="relative bias, as in the row above",
            spread=bare(biased["relative_bias"].tolist()),
            unit="combinations",
            verdict="holds" if (biased["verdict"] == "refuted").all() else "does not hold",
            command=command,
            note=(
                f"detected in {(biased['verdict'] == 'refuted').sum()} of {len(biased)}; "
                f"least bias {biased['relative_bias'].min():.1e}"
            ),
        ),
        Claim(
            group=EXACT,
            claim="The variance of ARTBP's gradient equals a closed formula (docs/method.md)",
            source="this project",
            quantity=(
                "relative difference between the variance over all ways to cut a short sequence and the formula; "
                "a point for each combination"
            ),
            spread=bare(formula["variance_error"].tolist()),
            unit="combinations",
            verdict="holds" if (formula["variance_error"] < 1e-9).all() else "does not hold",
            command=command,
            note=f"largest difference {formula['variance_error'].max():.1e}",
        ),
    ]


def read(path: Path) -> pd.DataFrame | None:
    """A CSV, None where it is not there."""
    return pd.read_csv(path) if path.is_file() else None
