"""Table of bits per character on Penn Treebank."""

from pathlib import Path

from artbp_exp.evidence.claims.ptb.measured import Measured, ahead, paired
from artbp_exp.evidence.ptb_runs import METHODS, STATES, Arm, best_test
from artbp_exp.evidence.tables.markdown import markdown

COLUMNS = (
    "state",
    "method",
    "validation bpc, seed by seed",
    "ARTBP ahead by",
    "mean ± 95 %",
    "test bpc, best validation epoch",
)


def end_points(results: Path) -> str:
    """A row for each state and method; runs in brackets repeat a seed with other rounding."""
    measured = Measured.of(results)
    rows = [_row(measured, (method, carried)) for carried in STATES for method in METHODS]
    return markdown(COLUMNS, rows)


def _row(measured: Measured, arm: Arm) -> tuple[str, ...]:
    method, carried = arm
    own = measured.own.get(arm, {})
    repeated = measured.replicates.get(arm, [])[len(own) :]
    ends = [*(f"{value:.3f}" for value in own.values()), *(f"({value:.3f})" for value in repeated)]
    test = [f"{best_test(measured.runs[arm][seed]):.3f}" for seed in own]
    leads, mean = [], ""
    if method != "artbp":
        weights = ahead(method, carried=carried)
        leads = [f"{value:+.3f}" for value in paired(measured.own, weights).values()]
        found = measured.test(weights)
        mean = f"{found.value:+.3f} ± {found.half:.3f}" if found else ""
    return STATES[carried], METHODS[method], ", ".join(ends), ", ".join(leads), mean, ", ".join(test)
