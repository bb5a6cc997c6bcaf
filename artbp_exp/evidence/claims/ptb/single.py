"""Rows on Penn Treebank that are no test of the family: the authors' logs, and what rounding does."""

from collections.abc import Iterator

import pandas as pd

from artbp_exp.evidence import authors
from artbp_exp.evidence.claims.claim import FAILS, HOLDS, MEASURED, OPEN, Claim, notes
from artbp_exp.evidence.claims.ptb.measured import Measured, ahead, paired
from artbp_exp.evidence.claims.ptb.rows import RESET
from artbp_exp.evidence.ptb_runs import ROUNDING, TITLE
from artbp_exp.evidence.statistics import bare


def logged(logs: pd.DataFrame) -> Claim:
    """What the authors' own logs say."""
    claim = Claim(
        key="logs",
        claim="ARTBP ends ahead of truncated BPTT in the authors' logs (their cell, 1000 units, B = 64; state reset)",
        source="section 6.2; their logs, not measured here",
        paper=True,
        quantity="mean validation bpc over the last 5 of 20 epochs, of truncated BPTT minus ARTBP's",
        unit="differences",
    )
    found = authors.lead(logs)
    if found is None:
        return claim
    assert found.low is not None
    assert found.high is not None
    runs = authors.replicated(logs).groupby("method")["run"].nunique()["artbp"]
    valid, train = authors.at_epoch(logs, 20), authors.at_epoch(logs, 20, "train_bpc")
    note = notes(
        f"{runs} runs of each method, interval by Welch's t",
        f"at epoch 20 validation is {valid['artbp'][0]:.3f} ± {valid['artbp'][1]:.3f} against "
        f"{valid['tbptt'][0]:.3f} ± {valid['tbptt'][1]:.3f} (mean ± sd) and training {train['artbp'][0]:.3f} "
        f"against {train['tbptt'][0]:.3f}: ARTBP trains worse and generalises better",
        RESET,
    )
    return claim.measured(found, HOLDS if found.low > 0 else FAILS if found.high < 0 else OPEN, note)


def rounding(measured: Measured) -> Iterator[Claim]:
    """How far a lead moves where the same seed was run again with another rounding; nothing where none was."""
    first, second = (paired(ends, ahead("tbptt", carried=True)) for ends in (measured.own, measured.again))
    moved = {seed: abs(second[seed] - first[seed]) for seed in first if second[seed] != first[seed]}
    if moved:
        yield Claim(
            key="rounding",
            claim=f"How far rounding alone moves the lead of a single seed ({TITLE}; state carried)",
            quantity=(
                "difference in bpc between the leads over truncated BPTT of two runs of one seed: the same weights, "
                f"data and cuts, gradients equal but for rounding (results/{ROUNDING})"
            ),
            found=bare(list(moved.values())),
            verdict=MEASURED,
            note=". ".join(f"seed {seed}: {first[seed]:+.3f}, run again {second[seed]:+.3f}" for seed in moved),
        )
