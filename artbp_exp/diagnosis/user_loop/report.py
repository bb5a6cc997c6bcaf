"""What `artbp.diagnose` returns: a verdict in words, and the table behind it."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artbp_exp.diagnosis.measure import ENDS
from artbp_exp.diagnosis.words import count, number, said
from artbp_exp.files import writing

SMALL = 0.05
"""Systematic error, as a share of what all windows' gradients have in common, below which it is called harmless."""
LITTLE = 0.5
"""Share of a window's gradient that all have in common, below which the verdict gives it."""
FEW = 100
"""Updates that any training averages over."""
FIGURES = "artbp_exp.evidence.figures"
"""Stands above this package, and is asked for only when something is to be drawn."""


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What `diagnose` found; `str` of it is the verdict and a table.

    Attributes:
        verdict: a line for each truncation length.
        table: a row for each method, with the columns of `methods.csv` (docs/method.md) and `seconds_per_step`, forward
            and backward in float64: compare rows only.
        influence: ‖∂ℓ_t/∂s_{t−k}‖ against the lag k, with the columns of `influence.csv`; empty where the loop keeps
            its state to itself.
        steps: T, of a window.
        windows: how many there were.
        notes: how the results are less sure than what was asked for; empty if they are not.
    """

    verdict: tuple[str, ...]
    table: pd.DataFrame
    influence: pd.DataFrame
    steps: int
    windows: int
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = (
            f"{'method':<28} {'error':<7} {'variance':<9} {'updates':<8} {'cosine':<8} {'stored: mean':<13} {'peak':<6}"
        )
        rows = [f"{head} ms a step"]
        for _, row in self.table.iterrows():
            error = number(np.sqrt(max(row["bias2"], 0))) if row["variance"] == 0 else ""
            rows.append(
                f"{said(row):<28} {error:<7} {number(row['variance']):<9} {number(row['updates_to_match']):<8} "
                f"{number(row['cosine']):<8} {number(row['stored_mean_theory']):<13} {number(row['stored_peak']):<6} "
                f"{number(1000 * row['seconds_per_step'])}"
            )
        reach = _reach(self.influence)
        about = f"{self.windows} window{'s' if self.windows > 1 else ''} of {self.steps} steps, in float64"
        notes = [f"note: {note}" for note in self.notes]
        rows.append(f"(error and variance relative to ‖g‖ and ‖g‖²; updates: to be nearer g than truncated; {about})")
        return "\n".join([*self.verdict, *reach, *notes, "", *rows])

    def plot(self) -> Any:
        """Squared bias and variance against the length, as a `matplotlib.figure.Figure`."""
        return importlib.import_module(f"{FIGURES}.diagnosis").bias_and_variance(self.table)

    def save(self, folder: str | Path) -> None:
        """Writes into `folder` what artbp-diagnose writes: methods.csv, influence.csv, advice.txt and figures.

        Raises:
            UserError: they cannot be written.
        """
        folder = Path(folder)
        with writing(folder, "name another folder"):
            folder.mkdir(parents=True, exist_ok=True)
            self.table.to_csv(folder / "methods.csv", index=False)
            (folder / "advice.txt").write_text("".join(f"{line}\n" for line in (*self.verdict, *self.notes)), "utf-8")
            if len(self.influence):
                self.influence.to_csv(folder / "influence.csv", index=False)
        draw, save = (importlib.import_module(f"{FIGURES}.{name}") for name in ("diagnosis", "common"))
        figures = {"bias_and_variance": self.plot()}
        if len(self.influence):
            figures["influence"] = draw.influence(self.influence, self.table)
        for name, figure in figures.items():
            save.save(figure, folder / name)


def verdict(rows: pd.DataFrame, windows: int, common: float = 1.0) -> str:
    """What one truncation length does, and whether ARTBP of the same memory would do better.

    `common` is the share of a window's gradient that all windows' have in common: the part that training follows.
    """
    truncated = rows.iloc[0]
    error, low, high = (float(np.sqrt(max(truncated[f"bias2{end}"], 0))) for end in ENDS)
    line = (
        f"At L = {truncated['length']:g} your truncated gradient is off by {_percent(error)} ({_percent(low)} to "
        f"{_percent(high)}) of its norm on average"
    )
    systematic = error
    if common < LITTLE:
        line += f" (the windows' gradients have {_percent(common)} of it in common)"
    if windows > 1:
        if truncated["bias2_lasting_low"] <= 0:
            most = float(np.sqrt(max(truncated["bias2_lasting_high"], 0)))
            line += f", none of it provably systematic over {windows} windows"
            if most < SMALL * common:
                return f"{line}, and at most {_percent(most)}: truncation is not your problem"
            return f"{line}, but up to {_percent(most)} may be: not settled; take more windows, or longer ones"
        systematic = float(np.sqrt(truncated["bias2_lasting"]))
        line += f", {_percent(systematic)} systematically" if systematic < error else ", all of it systematically"
    small = systematic < SMALL * common
    random = rows[rows["updates_to_match"].notna()]
    if random.empty:
        return line if windows == 1 or not small else f"{line}: truncation is hardly your problem"
    # rows at equal memory come last
    best = random[random["comparison"] == random["comparison"].iloc[-1]].sort_values("variance").iloc[0]
    memory = "memory" if best["comparison"] == "equal memory" else "mean length"
    updates, least, most = (best[f"updates_to_match{end}"] for end in ENDS)
    few = "less than one update" if updates < 1 else f"about {count(updates)} updates"
    line += f"; ARTBP with the same {memory} needs {few} ({count(least)} to {count(most)}) to be nearer the truth"
    if small and updates > FEW:
        return f"{line}: truncation is not your problem"
    take = _take(best, truncated)
    if not small and updates <= FEW:
        return f"{line}: truncation is your problem; {take}"
    if not small:
        return f"{line}: it is worth it only if your learning rate averages over more; then {take}"
    return f"{line}: truncation is a small problem; if it matters, {take}"


def _take(best: Any, truncated: Any) -> str:
    slower = best["seconds_per_step"] / truncated["seconds_per_step"]
    return (
        f"take artbp.artbp(length={best['length']:.3g}, alpha={best['alpha']:g}), which stores "
        f"{number(best['stored_mean_theory'])} steps on average ({number(truncated['stored_mean_theory'])} now) and "
        f"{number(best['stored_peak'])} at the longest of its draws ({number(truncated['stored_peak'])} now; memory=… "
        f"bounds it), and takes {slower:.2g} times the time a step"
    )


def _reach(influence: pd.DataFrame) -> list[str]:
    """After how many steps the influence of a state has fallen to a tenth, and to a hundredth."""
    if influence.empty or influence["influence"].iloc[0] == 0:  # where few steps have a loss, none may read its own
        return []
    lags, values = influence["lag"].to_numpy(), influence["influence"].to_numpy()
    # what it never rises above again
    beyond = np.maximum.accumulate(values[::-1])[::-1] / values[0]
    found = []
    for name, share in (("tenth", 0.1), ("hundredth", 0.01)):
        there = lags[beyond <= share]
        found.append(f"to a {name} " + (f"within {there[0]} steps" if there.size else f"not within {lags[-1]} steps"))
    return [f"the influence of a state on later losses falls {', '.join(found)}"]


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"
