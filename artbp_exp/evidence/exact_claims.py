"""Claims about unbiasedness, from what `artbp-verify` wrote."""

from pathlib import Path

from artbp_exp.evidence.claim import NOT_YET, Claim
from artbp_exp.evidence.read import read
from artbp_exp.evidence.statistics import bare
from artbp_exp.verification.everything import far_wanted, wanted
from artbp_exp.verification.sweep_report import lags_beside

EXACT = "Unbiasedness"
COMMAND = "make verify"
UNBIASED = "ARTBP's gradient is, on average, that of full BPTT"
COLUMNS = ("method", "model", "engine", "patterns", "relative_bias", "variance_error", "verdict", "expected")
LAG_COLUMNS = ("method", "broken", "lags", "factor_error", "verdict", "expected")
WORDS = ("method", "model", "engine", "broken", "verdict", "expected")
SHOWN = 3
"""Combinations that are named where some are missing."""


def exact_claims(results: Path) -> list[Claim]:
    """The rows from `results/verify/everything.csv` and `everything_lags.csv`."""
    path = results / "verify" / "everything.csv"
    return [*_enumerated(path), _lag_by_lag(lags_beside(path))]


def _enumerated(path: Path) -> list[Claim]:
    table = read(path, COLUMNS, words=WORDS)
    absent: set[tuple[str, ...]] = (
        wanted() if table is None else wanted() - set(zip(table.method, table.model, table.engine, strict=True))
    )
    if table is None or absent:
        quantity = "relative bias over all ways to cut a short sequence"
        return [_not_yet(UNBIASED, "Proposition 1", quantity, set() if table is None else absent)]
    sound, biased = table[table["expected"] == "certified"], table[table["expected"] == "refuted"]
    # full BPTT, and truncated BPTT longer than the sequence, are unbiased for want of cuts: they prove nothing here
    drawn = sound[sound["method"].str.startswith("artbp") & (sound["patterns"] > 1)]
    formula = drawn.dropna(subset=["variance_error"])
    broken = biased[biased["engine"].str.startswith("broken: ")]["engine"].nunique()
    return [
        Claim(
            group=EXACT,
            claim=UNBIASED,
            source="Proposition 1",
            quantity=(
                "relative bias: the mean gradient over all ways to cut a short sequence, each with its probability, "
                "against the true gradient; a point for each combination of method, model and engine"
            ),
            spread=bare(drawn["relative_bias"].tolist()),
            unit="combinations",
            verdict="holds" if (drawn["verdict"] == "certified").all() else "does not hold",
            command=COMMAND,
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
            command=COMMAND,
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
            command=COMMAND,
            note=f"largest difference {formula['variance_error'].max():.1e}",
        ),
    ]


def _lag_by_lag(path: Path) -> Claim:
    claim = "Segments are drawn, and factors computed, as the hazard says, at lags far beyond a short sequence as well"
    quantity = "relative error of the product of the factors over all lags tried; a point for each setting of a method"
    table = read(path, LAG_COLUMNS, words=WORDS)
    absent = far_wanted()
    if table is not None:
        table = table.fillna({"broken": ""})
        absent -= set(zip(table.method, table.broken, strict=True))
    if table is None or absent:
        return _not_yet(claim, "this project", quantity, set() if table is None else absent)
    sound, broken = table[table["broken"] == ""], table[table["broken"] != ""]
    caught = broken["verdict"] == "refuted"
    agreeing = sound["verdict"] == "certified"
    return Claim(
        group=EXACT,
        claim=claim,
        source="this project",
        quantity=quantity,
        spread=bare(sound["factor_error"].tolist()),
        unit="settings",
        verdict="holds" if agreeing.all() and caught.all() else "does not hold",
        command=COMMAND,
        note=(
            f"{agreeing.sum()} of {len(sound)} agree, at up to {sound['lags'].max()} lags; of {len(broken)} variants "
            f"of ARTBP that are broken at long lags only ({', '.join(broken['broken'])}) {caught.sum()} are detected"
        ),
    )


def _not_yet(claim: str, source: str, quantity: str, absent: set[tuple[str, ...]]) -> Claim:
    """Of a sweep of which there is nothing, or not all: `absent` is what is missing from it."""
    return Claim(
        group=EXACT,
        claim=claim,
        source=source,
        quantity=quantity,
        spread=None,
        verdict=NOT_YET,
        command=COMMAND,
        note=f"missing: {_listed(absent)}" if absent else "",
    )


def _listed(absent: set[tuple[str, ...]]) -> str:
    """The first few combinations, and how many more there are."""
    shown = [" × ".join(filter(None, key)) for key in sorted(absent)[:SHOWN]]
    return ", ".join(shown) + (f" and {len(absent) - SHOWN} more" if len(absent) > SHOWN else "")
