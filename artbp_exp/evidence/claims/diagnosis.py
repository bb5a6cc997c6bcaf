"""Rows on bias, variance and memory, from what `artbp-diagnose` wrote into `results/diagnose`."""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from artbp_exp.evidence.claims.claim import FAILS, HOLDS, MEASURED, OPEN, Claim, number
from artbp_exp.evidence.read import read
from artbp_exp.evidence.statistics import bare

CHECKPOINTS = {"synthetic": "influence balancing at its start", "ptb": "Penn Treebank, a trained LSTM"}
NEEDED = {"variance_se", "predicted_se", "predicted_rare", "updates_to_match"}
"""A table without them was written before they were: it counts as not measured."""

NUMBERS = ("length", "variance", "predicted", "updates_to_match_low", "updates_to_match_high")
"""What the rows are made of besides."""

ABOUT = ("command", "steps", "streams", "bias_streams")
SETTING = ["method", "length", "schedule", "alpha", "reweight"]
ERROR_RATE = 0.05
"""Of the formula's row as a whole: shared out among the settings (Bonferroni)."""

UNSEEN = 0.1
"""Share of the prediction from segments too rare to be among the draws, beyond which there is nothing to compare."""

POWER = 0.5
"""A relative difference of that size must show in every setting, else the row settles nothing."""


def diagnosis_claims(results: Path) -> list[Claim]:
    """The rows for each checkpoint that was diagnosed."""
    return [claim for name in CHECKPOINTS for claim in _checkpoint(name, results / "diagnose" / name)]


def commands(results: Path) -> list[str]:
    """What made the tables, as each of them says."""
    tables = (read(results / "diagnose" / name / "checkpoint.csv", ABOUT, words=("command",)) for name in CHECKPOINTS)
    return [str(about["command"].iloc[0]) for about in tables if len(about)] or ["artbp-diagnose"]


def _checkpoint(name: str, folder: Path) -> tuple[Claim, Claim]:
    formula = Claim(
        key=f"formula_{name}",
        claim=f"The measured variance is the one that the closed formula predicts ({CHECKPOINTS[name]})",
        quantity="measured variance over predicted variance, a point for each setting of ARTBP",
        unit="settings",
    )
    updates = Claim(
        key=f"updates_{name}",
        claim=(
            "How many ARTBP updates must be averaged before their noise is smaller than truncated BPTT's systematic "
            f"bias ({CHECKPOINTS[name]})"
        ),
        quantity=(
            "updates N* = (T/L0) · variance of ARTBP's gradient / squared systematic bias of truncated BPTT's, both of "
            "the sum over T steps, at mean length L0 and L = L0; a point for each length"
        ),
        unit="lengths",
    )
    about = read(folder / "checkpoint.csv", ABOUT, words=("command",))
    if about.empty or not set(read(folder / "methods.csv").columns) >= NEEDED:
        return formula, updates
    table = read(folder / "methods.csv", [*NEEDED, *NUMBERS])
    return _formula(formula, table), _updates(updates, table, about.iloc[0])


def _formula(claim: Claim, table: pd.DataFrame) -> Claim:
    """z = (measured − predicted)/√(standard errors², summed) of each distinct setting, two-sided."""
    distinct = table.dropna(subset=["predicted"]).drop_duplicates(SETTING)
    hidden = distinct["predicted_rare"] > UNSEEN
    rows, count = distinct[~hidden], int((~hidden).sum())
    if not count:
        return claim.measured(None, OPEN, "no setting whose draws could show its variance")
    measured, predicted = rows["variance"], rows["predicted"]
    error = np.hypot(rows["variance_se"], rows["predicted_se"])
    limit = float(stats.norm.isf(ERROR_RATE / 2 / count))
    z = float(((measured - predicted) / error).abs().max())
    shown = float((limit * error / predicted).max())
    ratios = measured / predicted
    agree = f"disagree in at least one of {count}" if z > limit else f"agree in all {count}"
    return claim.measured(
        bare(ratios),
        FAILS if z > limit else HOLDS if shown <= POWER else OPEN,
        f"Measured and predicted {agree} settings; a measured difference above {_percent(shown)} would have counted as "
        f"disagreement in every one of them. Ratios {ratios.min():.3f} to {ratios.max():.3f}; largest difference "
        f"{z:.2f} standard errors, of the {limit:.2f} allowed (5 % for all settings together, Bonferroni). holds: "
        f"no difference is larger, and what is allowed is at most {_percent(POWER)} of the prediction in each"
        f"{_left_out(distinct[hidden])}",
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _left_out(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    each = ", ".join(
        f"{'constant' if row['schedule'] == 'constant' else 'α = {:g}'.format(row['alpha'])} at L0 = {row['length']:g}"
        for _, row in rows.iterrows()
    )
    return (
        f". Left out, because over {_percent(UNSEEN)} of the predicted variance is in segments that come too rarely to "
        f"be among the draws: {each}"
    )


def _updates(claim: Claim, table: pd.DataFrame, facts: pd.Series) -> Claim:
    rows = table[(table["comparison"] == "length") & (table["schedule"] == "paper")]
    rows = rows.dropna(subset=["updates_to_match"]).sort_values("length")
    if rows.empty:
        return claim
    each = "; ".join(
        f"length {row['length']:g}: {number(row['updates_to_match'])} "
        f"({_between(row['updates_to_match_low'], row['updates_to_match_high'])})"
        for _, row in rows.iterrows()
    )
    common = (
        f"the part of the bias that is the same on other text, from {facts['bias_streams']} streams of it"
        if facts["bias_streams"] > 1
        else "all of the bias, as every window of the data is alike here"
    )
    return claim.measured(
        bare(rows["updates_to_match"]),
        MEASURED,
        f"{each}. In brackets: from the ends of the 95 % intervals of the variance and of the bias. "
        f"Systematic bias: {common}. Both over T = {facts['steps']} steps, the variance with "
        f"{facts['streams']} stream{'s' if facts['streams'] > 1 else ''}; with more, N* falls as the "
        f"variance does. The updates' errors are taken as uncorrelated",
    )


def _between(low: float, high: float) -> str:
    return f"{number(low)} to {number(high)}" if np.isfinite(high) else f"{number(low)} or more, no upper limit"
