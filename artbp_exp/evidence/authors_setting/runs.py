"""The runs in the authors' setting on Penn Treebank, each compared at the last epoch that its rival has as well."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from artbp_exp.evidence import authors
from artbp_exp.evidence.ptb_runs import METHODS, arms, diverged, finished
from artbp_exp.evidence.tables.markdown import markdown
from artbp_exp.runs.load import Run, has_result, load_all

ARMS = {
    "tbptt": METHODS["tbptt"],
    "phase": "truncated BPTT, random phase",
    "random": METHODS["random"],
    "artbp": METHODS["artbp"],
}
"""Random phase: the place of an epoch's first cut is drawn anew, and the others follow it every L steps."""

LOGGED = {"tbptt": "logged_tbptt", "artbp": "logged_artbp"}
"""Method → the cell of the authors' five runs of it."""

EPOCHS = 20
RECIPE = "ptb_paper"
"""Name of the recipe, and of the folder of its runs."""

TITLE = "the authors' cell, 1000 units, B = 64, state reset at cuts"
SETTINGS = {
    "model.name": "authors",
    "model.hidden_size": 1000,
    "model.forget_bias": authors.SETTING["forget_bias"],
    "task.epochs": EPOCHS,
    "task.batch_size": authors.SETTING["batch_size"],
    "optimizer.lr": 1e-4,
}
FLOAT32 = "ptb_paper_float32"
"""Folder of an epoch of truncated BPTT in float32."""

COLUMNS = ["train_bpc", "valid_bpc"]

Cells = dict[str, dict[int, float]]
"""Arm, or cell of the logs → seed, or number of the logged run → bits per character (bpc)."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The runs of the four arms, and the authors' logs.

    Attributes:
        runs: arm → seed → run, finished or not.
        curves: arm → seed → training and validation bpc, indexed by the epoch.
        logs: every logged run; no row where they are not there.
    """

    runs: dict[str, dict[int, Run]]
    curves: dict[str, dict[int, pd.DataFrame]]
    logs: pd.DataFrame

    @classmethod
    def of(cls, results: Path) -> "Setting":
        """Reads them."""
        found = arms(results / RECIPE, SETTINGS)
        runs = {arm: dict(sorted(by_seed.items())) for (arm, _), by_seed in found.items()}
        curves = {arm: {seed: curve(run) for seed, run in by_seed.items()} for arm, by_seed in runs.items()}
        return cls(runs=runs, curves=curves, logs=authors.logs(results))

    def epoch(self, arms: Iterable[str]) -> int | None:
        """The last epoch that all these arms have a result of on the same seed; None where there is none."""
        last = [{seed: int(c.index.max()) for seed, c in self.curves.get(arm, {}).items() if len(c)} for arm in arms]
        shared = set.intersection(*map(set, last))
        return max((min(seeds[seed] for seeds in last) for seed in shared), default=None)

    def standing(self, arms: Iterable[str]) -> str:
        """The epoch at which arms are compared, and how many of their runs have finished."""
        arms = list(arms)
        runs = [run for arm in arms for run in self.runs.get(arm, {}).values()]
        epoch = self.epoch(arms)
        if epoch is None or epoch == EPOCHS:
            return f"at the end of epoch {EPOCHS}" + (f" of {EPOCHS}" if epoch else "")
        done = f"{sum(map(finished, runs)) or 'none'} of {len(runs)} runs finished"
        return f"at the end of epoch {epoch} of {EPOCHS}, the last that both have; {done}"

    def absent(self, arms: Iterable[str]) -> list[str]:
        """Names of those without a result."""
        return [ARMS[arm] for arm in arms if not any(map(len, self.curves.get(arm, {}).values()))]

    def at(self, epochs: Sequence[int], column: str = "valid_bpc") -> Cells:
        """Every run of an arm, and every logged run, that has the last of these epochs: its mean over them."""
        last, chosen = epochs[-1], list(epochs)
        cells = {
            arm: {seed: float(c.loc[chosen, column].mean()) for seed, c in curves.items() if last in c.index}
            for arm, curves in self.curves.items()
        }
        table = authors.replicated(self.logs)
        means = table[table["epoch"].isin(epochs)].groupby(["method", "run"])[column].mean()
        return cells | {LOGGED[method]: means[method].to_dict() for method in table["method"].unique()}

    def behind(self, arm: str, epoch: int) -> Iterator[str]:
        """The runs of an arm that have not come so far, and where they stand."""
        for seed, bpc in self.curves[arm].items():
            if len(bpc) and epoch not in bpc.index:
                yield f"{ARMS[arm]} seed {seed} is at {bpc['valid_bpc'].iloc[-1]:.4f} after epoch {bpc.index[-1]}"

    def lost(self, arm: str) -> bool:
        """Whether a run of it diverged."""
        return any(map(diverged, self.runs.get(arm, {}).values()))


def curve(run: Run) -> pd.DataFrame:
    """Training and validation bpc at the end of each epoch."""
    return run.metrics("epoch", *COLUMNS).dropna(subset=COLUMNS).set_index("epoch")[COLUMNS]


def paper_table(results: Path) -> str:
    """The arms at the last epoch that all have and at the last that any has, beside the authors' logs, as Markdown."""
    setting = Setting.of(results)
    last = [setting.epoch([arm]) or 0 for arm in ARMS]
    head, rows = ["a number a run"], [[name] for name in ARMS.values()]
    for epoch in sorted({min(last), max(last)} - {0}):
        head += [f"epoch {epoch} of {EPOCHS}: training bpc", "validation bpc", "the authors' logs"]
        logged = authors.at_epoch(setting.logs, epoch)
        cells = [setting.at([epoch], column) for column in COLUMNS]
        for arm, row in zip(ARMS, rows, strict=True):
            row += [", ".join(f"{bpc:.3f}" for bpc in found.get(arm, {}).values()) or "–" for found in cells]
            row.append("{:.3f} ± {:.3f}".format(*logged[arm]) if arm in logged else "–")
    return markdown(head, rows)


def in_float32(results: Path) -> dict[int, Run]:
    """Seed → run, of those that finished."""
    return {run.config["seed"]: run for run in load_all(results / FLOAT32) if has_result(run)}
