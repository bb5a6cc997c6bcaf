"""Table of the fair comparison on Penn Treebank."""

from pathlib import Path

from artbp_exp.evidence.best_rate import Arm
from artbp_exp.evidence.claims.ptb.fair import OWN, fair_arms, paired
from artbp_exp.evidence.ptb_runs import best_test


def fair(results: Path) -> str:
    """A row for each arm, the best first: mean stored steps, end point at every rate, test bpc at the best."""
    arms = {title: arm for title, arm in fair_arms(results).items() if arm.best is not None}
    rates = sorted({rate for arm in arms.values() for rate in arm.means})
    columns = ["arm", "mean stored steps", *(f"η = {rate:g}" for rate in rates), "test bpc", "ARTBP ahead by", "seeds"]
    lines = ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]
    for title, arm in sorted(arms.items(), key=lambda item: item[1].means[item[1].best or 0]):
        ahead = paired(arms, title) if title != OWN else []
        cells = [title, f"{arm.stored:.0f}", *(_cell(arm, rate) for rate in rates), _test(arm)]
        lines.append(f"| {' | '.join([*cells, ', '.join(f'{lead:+.3f}' for lead in ahead), _seeds(arm)])} |")
    return "\n".join(lines)


def _cell(arm: Arm, rate: float) -> str:
    if rate not in arm.means:
        return "–"
    text = f"{arm.means[rate]:.3f}" if arm.means[rate] < float("inf") else "diverged"
    return f"**{text}**" if rate == arm.best else text


def _best(arm: Arm) -> float:
    assert arm.best is not None
    return arm.best


def _test(arm: Arm) -> str:
    runs = arm.rates[_best(arm)]
    return ", ".join(f"{best_test(runs[seed]):.3f}" for seed in arm.ends(_best(arm)))


def _seeds(arm: Arm) -> str:
    return str(len(arm.ends(_best(arm))))
