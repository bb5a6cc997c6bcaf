"""Tables of bits per character on Penn Treebank."""

from collections.abc import Iterator
from pathlib import Path

from artbp_exp.evidence.claims.ptb.measured import Measured, ahead, paired
from artbp_exp.evidence.ptb_runs import METHODS, STATES, TIERS, Tier, best_test, finished


def tier1(results: Path) -> str:
    """Of the first tier."""
    return "\n".join([*_header(TIERS[0]), *(f"| {row}" for row in _rows(TIERS[0], results))])


def tier2(results: Path) -> str:
    """Of the larger models."""
    rows = [f"| {tier.title} | {row}" for tier in TIERS[1:] for row in _rows(tier, results)]
    return "\n".join([*_header(TIERS[1], "model"), *rows])


def _header(tier: Tier, *first: str) -> list[str]:
    columns = [
        *first,
        "state",
        "method",
        "validation bpc, seed by seed",
        "ARTBP ahead by",
        "mean ± 95 %",
        "test bpc, best validation epoch",
    ]
    return ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]


def _rows(tier: Tier, results: Path) -> Iterator[str]:
    """A row for each state and method; runs in brackets repeat seed 0 with other rounding."""
    measured = Measured.of(tier, results)
    for carried in tier.carried:
        for method in tier.methods:
            arm = (method, carried)
            own = measured.own.get(arm, {})
            repeated = measured.replicates.get(arm, [])[len(own) :]
            ends = [*(f"{value:.3f}" for value in own.values()), *(f"({value:.3f})" for value in repeated)]
            runs = measured.runs.get(arm, {})
            test = [f"{best_test(runs[seed]):.3f}" for seed in sorted(runs) if finished(runs[seed])]
            leads, mean = [], ""
            if method != "artbp":
                weights = ahead(method, carried=carried)
                leads = [f"{value:+.3f}" for value in paired(measured.own, weights).values()]
                found = measured.tests(weights)[0]
                mean = f"{found.value:+.3f} ± {found.half:.3f}" if found else ""
            cells = (STATES[carried], METHODS[method], ", ".join(ends), ", ".join(leads), mean, ", ".join(test))
            yield f"{' | '.join(cells)} |"
