"""Rows on bias, variance and memory, from what `artbp-diagnose` wrote into `results/diagnose`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from artbp_exp.report.claim import MEASURED, NOT_YET, Claim, number
from artbp_exp.report.exact_claims import read
from artbp_exp.report.statistics import bare

GROUP = "Bias, variance and memory at a checkpoint"
CHECKPOINTS = {"synthetic": "influence balancing at its start", "ptb": "Penn Treebank, a trained LSTM"}
NEEDED = {"variance_se", "predicted_se", "predicted_rare", "updates_to_match"}
"""A table without them was written before they were: it counts as not measured."""

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


def _checkpoint(name: str, folder: Path) -> Iterator[Claim]:
    table, about = read(folder / "methods.csv"), read(folder / "checkpoint.csv")
    where = CHECKPOINTS[name]
    if table is None or about is None or not set(table.columns) >= NEEDED:
        table, facts = None, pd.Series({"command": "artbp-diagnose"})
    else:
        facts = about.iloc[0]
    yield _formula(table, where, str(facts["command"]))
    yield _updates(table, facts, where)


def _formula(table: pd.DataFrame | None, where: str, command: str) -> Claim:
    """z = (measured − predicted)/√(standard errors², summed) of each distinct setting, two-sided."""
    found, verdict, note = None, NOT_YET, ""
    if table is not None:
        distinct = table.dropna(subset=["predicted"]).drop_duplicates(SETTING)
        rows = distinct[distinct["predicted_rare"] <= UNSEEN]
        verdict, note = "not settled", "no setting whose draws could show its variance"
    if table is not None and len(rows):
        measured, predicted = rows["variance"].to_numpy(), rows["predicted"].to_numpy()
        error = np.hypot(rows["variance_se"].to_numpy(), rows["predicted_se"].to_numpy())
        limit = float(stats.norm.isf(ERROR_RATE / 2 / len(rows)))
        z = float(np.abs((measured - predicted) / error).max())
        hidden = float((limit * error / predicted).max())
        verdict = "does not hold" if z > limit else "holds" if hidden <= POWER else "not settled"
        ratios = measured / predicted
        found = bare(ratios.tolist())
        note = (
            f"{ratios.min():.3f} to {ratios.max():.3f} over {len(rows)} settings; largest |z| {z:.2f}, "
            f"of a limit of {limit:.2f} (5 % for all settings together, Bonferroni); in the least certain setting a "
            f"difference of up to {hidden:.0%} could hide. holds: no setting is beyond the limit, and none could hide "
            f"more than {POWER:.0%}{_left_out(distinct[distinct['predicted_rare'] > UNSEEN])}"
        )
    return Claim(
        group=GROUP,
        claim=f"The measured variance is the one that the exact formula predicts ({where})",
        source="this project",
        quantity="measured over predicted variance, a point for each distinct setting; no seeds",
        spread=found,
        verdict=verdict,
        command=command,
        note=note,
    )


def _left_out(rows: pd.DataFrame) -> str:
    if rows.empty:
        return ""
    each = ", ".join(
        f"{'constant' if row['schedule'] == 'constant' else 'α = {:g}'.format(row['alpha'])} at L0 = {row['length']:g}"
        for _, row in rows.iterrows()
    )
    return (
        f". Left out, because over {UNSEEN:.0%} of the predicted variance is in segments that come too rarely to be "
        f"among the draws: {each}"
    )


def _updates(table: pd.DataFrame | None, facts: pd.Series, where: str) -> Claim:
    found, verdict, note = None, NOT_YET, ""
    if table is not None:
        rows = table[(table["comparison"] == "length") & (table["schedule"] == "paper")]
        rows = rows.dropna(subset=["updates_to_match"]).sort_values("length")
        if len(rows):
            found, verdict = bare(rows["updates_to_match"].tolist()), MEASURED
            each = "; ".join(
                f"length {row['length']:g}: {number(row['updates_to_match'])} ({number(row['updates_to_match_low'])} "
                f"to {number(row['updates_to_match_high'])})"
                for _, row in rows.iterrows()
            )
            common = (
                f"what {facts['bias_streams']} streams have in common" if facts["bias_streams"] > 1 else "all of it"
            )
            note = (
                f"{each}. In brackets: from the ends of both 95 % intervals (draws; streams). Variance over "
                f"T = {facts['steps']} steps × {facts['streams']} streams, lasting bias ({common}) "
                f"over the same steps; the updates' errors are taken as uncorrelated. With "
                f"more streams N* falls as the variance does"
            )
    return Claim(
        group=GROUP,
        claim=f"How many updates average ARTBP's variance down to truncated BPTT's lasting squared bias ({where})",
        source="this project",
        quantity=(
            "updates N* = (T/L0) · variance of ARTBP / lasting squared bias of truncated BPTT, a point for each length"
        ),
        spread=found,
        verdict=verdict,
        command=str(facts["command"]),
        note=note,
    )
