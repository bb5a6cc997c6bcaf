"""What a reader should know beside the numbers of a row on Penn Treebank."""

from collections.abc import Iterator, Sequence

import pandas as pd

from artbp_exp.evidence.paired_tests import Tested
from artbp_exp.evidence.ptb_runs import METHODS, ROUNDING, Arm, Arms, Tier, diverged
from artbp_exp.evidence.statistics import sign_verdict
from artbp_exp.runs.load import has_result


def note(tier: Tier, found: Arms, wanted: Sequence[Arm], *, own: Tested, again: Tested, verdict: str) -> str:
    """Seeds and levels of the row, then what rounding does to it, what diverged or is missing, and how far that is.

    Args:
        tier: of the row.
        found: its runs.
        wanted: the arms that it rests on.
        own: the row's test.
        again: the same with the runs of `ROUNDING` in the place of those of the same seeds.
        verdict: of the row.
    """
    said = [f"seeds {', '.join(map(str, own.values))}"] if own.values else []
    if own.p is not None:
        said.append(f"t-test of a difference of 0: {_levels(own)} (Holm, {own.family} tests)")
        said += _run_again(own, again, verdict)
    said += _lacking(tier, found, wanted)
    return "; ".join([*said, *_so_far(tier, found, wanted)])


def _levels(test: Tested) -> str:
    return f"p = {test.p:.2g}, adjusted {test.adjusted:.2g}"


def _run_again(own: Tested, again: Tested, verdict: str) -> Iterator[str]:
    """The same test with seeds as they came out when run again; the verdict does not go by it."""
    moved = [seed for seed, value in own.values.items() if again.values[seed] != value]
    if not moved or again.measured is None or again.p is None:
        return
    seeds = ", ".join(f"seed {seed} ({own.values[seed]:+.3f} → {again.values[seed]:+.3f})" for seed in moved)
    other = sign_verdict(again.measured, again.adjusted)
    changes = "" if other == verdict else f", by which it would be {other}"
    yield f"with {seeds} as run again with other rounding in results/{ROUNDING}: {_levels(again)}{changes}"


def _lacking(tier: Tier, found: Arms, wanted: Sequence[Arm]) -> Iterator[str]:
    """Which runs diverged, and which have no result."""
    for title, chosen in (("diverged", True), ("missing", False)):
        parts = []
        for arm in wanted:
            runs = found.get(arm, {})
            if chosen:
                seeds = [seed for seed, run in sorted(runs.items()) if diverged(run)]
            else:
                seeds = [seed for seed in tier.seeds if seed not in runs or not has_result(runs[seed])]
            if seeds:
                state = "carried" if arm[1] else "reset"
                parts.append(f"{METHODS[arm[0]][1]} ({state}) seed {', '.join(map(str, seeds))}")
        if parts:
            yield f"{title}: {', '.join(parts)}"


def _so_far(tier: Tier, found: Arms, wanted: Sequence[Arm]) -> Iterator[str]:
    """How the seeds stand that have not come to their end, at the last epoch that all their arms have reached."""
    for seed in tier.seeds:
        runs = [found.get(arm, {}).get(seed) for arm in wanted]
        going = [run for run in runs if run is not None]
        if len(going) < len(runs) or all(has_result(run) for run in going):
            continue
        table = pd.concat([run.at_epochs("valid_bpc") for run in going], axis=1).dropna()
        if table.empty:
            continue
        levels = [f"{METHODS[arm[0]][1]} {bpc:.3f}" for arm, bpc in zip(wanted, table.iloc[-1], strict=True)]
        yield (
            f"seed {seed} so far, which is not the result: valid bpc at the end of epoch {table.index[-1]:g} "
            f"of {tier.settings['task.epochs']}: {', '.join(levels)}"
        )
