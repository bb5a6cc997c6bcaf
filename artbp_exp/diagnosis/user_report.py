"""What `artbp.diagnose` returns: a verdict in words, and the table behind it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from artbp_exp.diagnosis.measure import ENDS
from artbp_exp.diagnosis.words import count, number, said

SMALL = 0.05
"""Error of the truncated gradient, as a share of its norm, below which the verdict calls truncation harmless."""
FEW = 100
"""Updates that any training averages over."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What `diagnose` found; `str` of it is the verdict and a table.

    Attributes:
        verdict: a line for each truncation length.
        table: a row for each method, with the columns of `methods.csv` (docs/method.md) and `seconds_per_step`, forward
            and backward in float64: compare rows only.
        steps: T, of a window.
        windows: how many there were.
    """

    verdict: tuple[str, ...]
    table: pd.DataFrame
    steps: int
    windows: int

    def __str__(self) -> str:
        rows = [f"{'method':<28} {'error':<7} {'variance':<9} {'cosine':<8} {'stored: mean':<13} {'peak':<6} ms a step"]
        for _, row in self.table.iterrows():
            error = number(np.sqrt(max(row["bias2"], 0))) if row["variance"] == 0 else ""
            rows.append(
                f"{said(row):<28} {error:<7} {number(row['variance']):<9} {number(row['cosine']):<8} "
                f"{number(row['stored_mean_theory']):<13} {number(row['stored_peak']):<6} "
                f"{number(1000 * row['seconds_per_step'])}"
            )
        about = f"{self.windows} window{'s' if self.windows > 1 else ''} of {self.steps} steps, in float64"
        return "\n".join([*self.verdict, "", *rows, f"(error and variance relative to ‖g‖ and ‖g‖²; {about})"])

    def save(self, folder: str | Path) -> None:
        """Writes `methods.csv` and `advice.txt` into `folder`."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.table.to_csv(folder / "methods.csv", index=False)
        (folder / "advice.txt").write_text("".join(f"{line}\n" for line in self.verdict), encoding="utf-8")


def verdict(rows: pd.DataFrame, windows: int) -> str:
    """What one truncation length does, and whether ARTBP of the same memory would do better."""
    truncated = rows.iloc[0]
    error, low, high = (float(np.sqrt(max(truncated[f"bias2{end}"], 0))) for end in ENDS)
    line = (
        f"L = {truncated['length']:g}: the truncated gradient is off by {_percent(error)} ({_percent(low)} to "
        f"{_percent(high)}) of its norm"
    )
    if windows > 1 and truncated["bias2_lasting_low"] <= 0:
        return f"{line}, none of it provably systematic over {windows} windows: truncation is not your problem"
    if windows > 1:
        line += f", {_percent(float(np.sqrt(truncated['bias2_lasting'])))} systematically"
    random = rows[rows["updates_to_match"].notna()]
    if random.empty:
        return line
    # rows at equal memory come last
    best = random[random["comparison"] == random["comparison"].iloc[-1]].sort_values("variance").iloc[0]
    memory = "the same memory" if best["comparison"] == "equal memory" else "the same mean length"
    updates, least, most = (best[f"updates_to_match{end}"] for end in ENDS)
    line += (
        f"; ARTBP of {memory} (length={best['length']:.3g}, alpha={best['alpha']:g}) is nearer the true gradient once "
        f"{count(updates)} updates ({count(least)} to {count(most)}) are averaged"
    )
    if error < SMALL and updates > FEW:
        return f"{line}: truncation is not your problem"
    if error >= SMALL and updates <= FEW:
        return f"{line}: truncation is a problem, take ARTBP"
    return f"{line}: take ARTBP if your learning rate averages over more"


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
