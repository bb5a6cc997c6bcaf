"""The table of README.md: each experiment in a row or two, three methods side by side."""

from pathlib import Path

import numpy as np
import pandas as pd

from artbp_exp.evidence.best_rates.comparison import PTB
from artbp_exp.evidence.claims.balancing import MEAN, of
from artbp_exp.evidence.claims.lengths import bracket, of_arm, working
from artbp_exp.evidence.optimum import reached
from artbp_exp.evidence.ptb_runs import METHODS
from artbp_exp.evidence.tables.markdown import markdown
from artbp_exp.runs.load import load_runs


def summary(results: Path) -> str:
    """A column for each of `METHODS`."""
    rows = (_bias(results), _lengths(results), _balancing(results), _penn_treebank(results))
    return markdown(["what was measured", *METHODS.values()], rows)


def _bias(results: Path) -> tuple[str, ...]:
    table = pd.read_csv(results / "verify" / "everything.csv")
    table = table[~table["engine"].str.startswith("broken") & ~table["method"].str.contains("boundary=|auxiliary=")]
    ablation, artbp = table["method"].str.contains("reweight=False"), table["method"].str.startswith("artbp")
    biased = table["method"].str.startswith("tbptt") & (table["expected"] == "refuted")  # it is exact beyond T steps
    rows = {"artbp": artbp & ~ablation & (table["patterns"] > 1), "tbptt": biased, "random": ablation}
    bias = [table[rows[name]]["relative_bias"] for name in METHODS]
    said = [
        f"at most {each.max():.2g}: rounding"
        if each.max() < 1e-9
        else f"{100 * each.min():.0f} to {100 * each.max():.0f} %"
        for each in bias
    ]
    ways = table[rows["artbp"]]["patterns"].max()
    return f"relative bias over all {ways} ways to cut 8 steps (truncated BPTT: L = 3), every model and engine", *said


def _lengths(results: Path) -> tuple[str, ...]:
    cells = pd.read_csv(results / "phase_diagram" / "cells.csv")
    shortest = [_shortest(cells, name) for name in METHODS]
    return "influence balancing: shortest (mean) length that works, at some learning rate on every seed", *shortest


def _shortest(cells: pd.DataFrame, name: str) -> str:
    below, least = bracket(working(of_arm(cells, name)))
    return f"{least:g} steps" if below else f"at most {least:g} steps, the shortest tried"


def _balancing(results: Path) -> tuple[str, ...]:
    runs = load_runs(results / "influence_balancing")
    lengths = {"artbp": [MEAN], "tbptt": [10, 100, 200]}
    said = []
    for name in METHODS:
        parts = []
        for length in lengths.get(name, []):
            mine = of(runs, name, length)
            parts.append(f"{sum(map(reached, mine))}/{len(mine)} at {length}")
        said.append(", ".join(parts) or "–")
    what = "influence balancing at η = 3·10⁻⁴: seeds that reach θ*, at (mean) length; truncated BPTT's are all one"
    return what, *said


def _penn_treebank(results: Path) -> tuple[str, ...]:
    arms = PTB.arms(results)
    titles = {"artbp": PTB.own} | {question.key: question.other for question in PTB.questions}
    wanted = [arms.get(titles[key]) for key in ("artbp", "lead", "reweighting")]
    ends = [list(arm.at_best.values()) if arm else [] for arm in wanted]
    said = [f"{np.mean(found):.3f} ({min(found):.3f} to {max(found):.3f})" if found else "–" for found in ends]
    return (
        "Penn Treebank, LSTM of 256 units, state carried: validation bits per character at the best learning rate",
        *said,
    )
