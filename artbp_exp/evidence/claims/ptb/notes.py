"""What a reader should know beside the numbers of a row on Penn Treebank."""

from collections.abc import Collection, Iterator

import pandas as pd

from artbp_exp.evidence import authors
from artbp_exp.evidence.ptb_runs import METHODS, Arm, Arms, Tier, diverged
from artbp_exp.runs.load import has_result

RESET = (
    "where the state is reset, truncated BPTT is the exact gradient of its own objective, and ARTBP's cuts change the "
    "forward pass: two objectives are compared, and unbiasedness is not tested"
)


def lacking(tier: Tier, runs: Arms, wanted: Collection[Arm]) -> Iterator[str]:
    """Which runs diverged, which have no result, and how those stand that have not come to their end."""
    for title, chosen in (("diverged", True), ("missing", False)):
        parts = []
        for arm in wanted:
            mine = runs.get(arm, {})
            if chosen:
                seeds = [seed for seed, run in sorted(mine.items()) if diverged(run)]
            else:
                seeds = [seed for seed in tier.seeds if seed not in mine or not has_result(mine[seed])]
            if seeds:
                state = "carried" if arm[1] else "reset"
                parts.append(f"{METHODS[arm[0]]} ({state}) seed {', '.join(map(str, seeds))}")
        if parts:
            yield f"{title}: {', '.join(parts)}"
    yield from _so_far(tier, runs, wanted)


def _so_far(tier: Tier, runs: Arms, wanted: Collection[Arm]) -> Iterator[str]:
    """The seeds that have not come to their end, at the last epoch that all their arms have reached."""
    for seed in tier.seeds:
        going = [run for arm in wanted if (run := runs.get(arm, {}).get(seed)) is not None]
        if len(going) < len(wanted) or all(has_result(run) for run in going):
            continue
        table = pd.concat([run.at_epochs("valid_bpc") for run in going], axis=1).dropna()
        if table.empty:
            continue
        levels = [f"{METHODS[arm[0]]} {bpc:.3f}" for arm, bpc in zip(wanted, table.iloc[-1], strict=True)]
        yield (
            f"seed {seed} so far, which is not the result: validation bpc at the end of epoch {table.index[-1]:g} "
            f"of {tier.settings['task.epochs']}: {', '.join(levels)}"
        )


def at_equal_progress(runs: Arms, *, carried: bool, logs: pd.DataFrame | None) -> Iterator[str]:
    """Where the authors' ARTBP stood when their truncated BPTT was where ours ended: a pair can be under-trained."""
    ends = [run.at_epochs("valid_bpc") for run in runs.get(("tbptt", carried), {}).values() if has_result(run)]
    if logs is None or not ends:
        return
    level = sum(float(bpc.iloc[-1]) for bpc in ends) / len(ends)
    behind = authors.behind_at(logs, level)
    if behind is not None:
        where = f"behind by {behind:.3f}" if behind > 0 else f"ahead by {-behind:.3f}"
        yield (
            f"truncated BPTT ends its last epoch at {level:.3f}; when the authors' (B = 64) stood there, their ARTBP "
            f"was {where}"
        )
