"""Claims about unbiasedness, from what `artbp-verify verify.everything=true` wrote."""

from dataclasses import replace
from itertools import product
from pathlib import Path

import pandas as pd

from artbp_exp import registry
from artbp_exp.evidence.claims.claim import Claim
from artbp_exp.evidence.read import read
from artbp_exp.evidence.statistics import bare
from artbp_exp.verification import variants

SWEEP = Path("verify", "everything.csv")
LAGS = variants.lags_beside(SWEEP)
COLUMNS = ("method", "model", "engine", "patterns", "relative_bias", "variance_error", "verdict", "expected")
LAG_COLUMNS = ("method", "broken", "lags", "factor_error", "verdict", "expected")
WORDS = ("method", "model", "engine", "broken", "verdict", "expected")
ENGINES = ("auto", "plain")
"""Those that every machine has."""

COVERED = {"ptb", "synthetic"}
"""Tasks that are under every row."""

BROKEN, BROKEN_FAR = variants.mutants(variants.ENUMERATION), variants.mutants(variants.LAGS)
"""Faults that enumeration must detect, and those at long lags."""

ROUNDING = 1e-9
"""Relative difference up to which the variance equals its formula."""

SHOWN = 3
"""Combinations that are named where some are missing."""

UNBIASED = Claim(
    key="unbiased",
    claim="For fixed parameters ARTBP's gradient is, on average, that of full BPTT",
    source="Proposition 1",
    paper=True,
    quantity=(
        "relative bias: the mean gradient over all ways to cut a short sequence, each with its probability, "
        "against the true gradient; a point for each combination of method, model and engine"
    ),
    unit="combinations",
)
BIASED = Claim(
    key="biased",
    claim=(
        f"Truncated BPTT, random lengths without reweighting, {len(BROKEN)} broken variants of ARTBP and all else that "
        "is declared biased are, and the check detects it"
    ),
    quantity="relative bias, as in the row above",
    unit="combinations",
)
VARIANCE = Claim(
    key="variance",
    claim="The variance of ARTBP's gradient equals a closed formula (docs/method.md)",
    quantity=(
        "relative difference between the variance over all ways to cut a short sequence and the formula; "
        "a point for each combination"
    ),
    unit="combinations",
)
LAG_BY_LAG = Claim(
    key="lags",
    claim="Segments are drawn, and factors computed, as the hazard says, at lags far beyond a short sequence as well",
    quantity="relative error of the product of the factors over all lags tried; a point for each setting of a method",
    unit="settings",
)


def exact_claims(results: Path) -> list[Claim]:
    """The rows from `results/verify/everything.csv` and `everything_lags.csv`."""
    sweep, lags = read(results / SWEEP, COLUMNS, words=WORDS), read(results / LAGS, LAG_COLUMNS, words=WORDS)
    return [*_enumerated(sweep), _lag_by_lag(lags)]


def absent(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """(method, model, engine) that the sweep lacks: every method for every model and engine, and every fault."""
    there = set(zip(table["method"], table["model"], table["engine"], strict=True))
    every = _unseen(table["method"], registry.names("method"))
    shipped = {method for method, _, engine in there if not engine.startswith("broken: ")} | every
    shipped -= (tasks := {method for method in shipped if "task=" in method})
    alone = {method for method in shipped if "boundary=" not in method and "auxiliary=" not in method}
    schemes = {method for method in alone if method.split()[0] in registry.names("method", package=registry.SCHEMES)}
    broken = {method for method, _, engine in there if engine.startswith("broken: ")} or {"artbp"}
    models = registry.names("model")
    wanted = set(product(schemes, models, ENGINES)) | set(product(shipped - schemes, models, ENGINES[:1]))
    untried = set(registry.names("task")) - COVERED - {method.partition("task=")[2] for method in tasks}
    wanted |= {(f"task={name}", "", "") for name in untried}
    wanted |= set(product(broken, models, [f"broken: {name}" for name in BROKEN]))
    return {tuple(key) for key in wanted - there}


def absent_lags(table: pd.DataFrame) -> set[tuple[str, ...]]:
    """(method, fault) that the table of the lags lacks."""
    broken, schemes = table["broken"].fillna(""), registry.names("method", package=registry.SCHEMES)
    methods: set[tuple[str, ...]] = {(name, "") for name in _unseen(table["method"][broken == ""], schemes)}
    return methods | {("", name) for name in BROKEN_FAR if name not in set(broken)}


def _unseen(labels: pd.Series, methods: list[str]) -> set[str]:
    """Which of `methods` are there with no setting."""
    return set(methods) - {label.split()[0] for label in labels}


def _enumerated(table: pd.DataFrame) -> list[Claim]:
    if missing := absent(table):
        return [replace(UNBIASED, note=_named(missing))]
    sound, biased = table[table["expected"] == "certified"], table[table["expected"] == "refuted"]
    # full BPTT, and truncated BPTT longer than the sequence, are unbiased for want of cuts: they prove nothing here
    drawn = sound[sound["method"].str.startswith("artbp") & (sound["patterns"] > 1)]
    agree, caught = drawn["verdict"] == "certified", biased["verdict"] == "refuted"
    formula = drawn["variance_error"].dropna()
    return [
        UNBIASED.measured(
            bare(drawn["relative_bias"]),
            bool(agree.all()),
            f"{agree.sum()} of {len(drawn)} agree but for rounding, in float64; "
            f"largest bias {drawn['relative_bias'].max():.1e}; {len(sound) - len(drawn)} more never cut and are "
            "not counted",
        ),
        BIASED.measured(
            bare(biased["relative_bias"]),
            bool(caught.all()),
            f"detected in {caught.sum()} of {len(biased)}; least bias {biased['relative_bias'].min():.1e}",
        ),
        VARIANCE.measured(bare(formula), bool((formula < ROUNDING).all()), f"largest difference {formula.max():.1e}"),
    ]


def _lag_by_lag(table: pd.DataFrame) -> Claim:
    if missing := absent_lags(table):
        return replace(LAG_BY_LAG, note=_named(missing))
    sound, broken = table[table["broken"].isna()], table[table["broken"].notna()]
    agreeing, caught = sound["verdict"] == "certified", broken["verdict"] == "refuted"
    return LAG_BY_LAG.measured(
        bare(sound["factor_error"]),
        bool(agreeing.all() and caught.all()),
        f"{agreeing.sum()} of {len(sound)} agree, at up to {sound['lags'].max()} lags; of {len(broken)} variants "
        f"of ARTBP that are broken at long lags only ({', '.join(broken['broken'])}) {caught.sum()} are detected",
    )


def _named(missing: set[tuple[str, ...]]) -> str:
    shown = ", ".join(" × ".join(filter(None, combination)) for combination in sorted(missing)[:SHOWN])
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    return f"missing: {shown}{more}"
