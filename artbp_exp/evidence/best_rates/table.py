"""Table of a comparison at best learning rates."""

from pathlib import Path

from artbp_exp.evidence.best_rates.arms import Arm
from artbp_exp.evidence.best_rates.comparison import Comparison, leads
from artbp_exp.evidence.ptb_runs import best_test
from artbp_exp.evidence.tables.markdown import markdown


def table(comparison: Comparison, results: Path) -> str:
    """A row for each arm, the best first: mean stored steps, mean end point at every rate, test bpc at the best."""
    arms = comparison.arms(results)
    rates = sorted({rate for arm in arms.values() for rate in arm.means})
    at_rates = (f"η = {rate:g}" for rate in rates)
    columns = ["arm", "stored steps, as drawn", *at_rates, "test bpc", "ARTBP ahead by", "seeds"]
    rows = []
    for title, arm in sorted(arms.items(), key=lambda item: item[1].level):
        ahead = leads(arms, comparison.own, title) if title != comparison.own else []
        stored = "–" if arm.stored is None else f"{arm.stored:.0f}"
        cells = [title, stored, *(_cell(arm, rate) for rate in rates), ", ".join(_test(arm))]
        rows.append([*cells, ", ".join(f"{lead:+.3f}" for lead in ahead), ", ".join(map(str, arm.at_best))])
    return markdown(columns, rows)


def _cell(arm: Arm, rate: float) -> str:
    if rate not in arm.means:
        return "–"
    text = f"{arm.means[rate]:.3f}" if arm.means[rate] < float("inf") else "diverged"
    return f"**{text}**" if rate == arm.best else text


def _test(arm: Arm) -> list[str]:
    """Empty for a task without a test part."""
    runs = {} if arm.best is None else arm.rates[arm.best]
    return [f"{best_test(runs[seed]):.3f}" for seed in arm.at_best if "test_bpc" in runs[seed].summary]
