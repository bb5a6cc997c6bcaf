"""Where the longest segments fell in the last epoch of the Penn Treebank runs, and whether that epoch made runs worse.

Cuts are drawn from the seed alone, so they can be drawn again without the corpus and without training.
"""

from pathlib import Path

import pandas as pd

from artbp_exp import artbp
from artbp_exp.evidence.ptb_runs import EPOCHS, METHODS, RECIPE, arms
from artbp_exp.evidence.recipe import recipe
from artbp_exp.random_streams import RandomStreams

RESULTS = Path("results")
LONG = 500
"""Steps; ten times the mean length."""


def last_epoch(seed: int, steps: int) -> pd.DataFrame:
    """The segments of the last epoch: the share of it that was over at their end, and their length in steps."""
    scheme, rng = artbp(length=50, alpha=4), RandomStreams.from_seed(seed).cuts
    for _ in range(EPOCHS - 1):
        list(scheme.segments(steps, rng))
    rows = [((start + segment.length) / steps, segment.length) for start, segment in scheme.segments(steps, rng)]
    return pd.DataFrame(rows, columns=["over", "length"])


def main() -> None:
    """Prints the long segments of each seed, then a line for each of its runs."""
    found = arms(RESULTS / RECIPE)
    for seed in recipe(RECIPE).seeds:
        runs = {arm: by_seed[seed] for arm, by_seed in found.items() if seed in by_seed}
        (steps,) = {run.metrics()["step"].iloc[-1] // EPOCHS for run in runs.values()}
        segments = last_epoch(seed, steps)
        latest = segments[segments["length"] > LONG].tail(3)
        print(f"seed {seed}: the last segments over {LONG} steps of epoch {EPOCHS}: ", end="")
        print(", ".join(f"{row.length} steps, ended at {row.over:.1%}" for row in latest.itertuples()))
        for (method, carried), run in sorted(runs.items()):
            before, after = run.at_epochs("valid_bpc").iloc[-2:]
            state = "carried" if carried else "reset"
            print(f"  {METHODS[method]}, {state}: validation bpc {before:.3f} → {after:.3f} ({after - before:+.3f})")


if __name__ == "__main__":
    main()
