"""The runs in the authors' setting on Penn Treebank, compared at the last epoch that all four arms have."""

from collections.abc import Iterator
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

    @property
    def epoch(self) -> int | None:
        """The last epoch that a run of every arm has a result of; None where there is none."""
        last = [
            max((int(c.index.max()) for c in self.curves.get(arm, {}).values() if len(c)), default=0) for arm in ARMS
        ]
        return min(last) or None

    @property
    def standing(self) -> str:
        """The epoch of the comparison, and how many runs have finished."""
        runs = [run for by_seed in self.runs.values() for run in by_seed.values()]
        if self.epoch is None:
            return f"at the end of epoch {EPOCHS}"
        done = f"; {sum(map(finished, runs)) or 'none'} of {len(runs)} runs finished"
        last = "" if self.epoch == EPOCHS else f", the last that all four arms have{done}"
        return f"at the end of epoch {self.epoch} of {EPOCHS}{last}"

    def at(self, epoch: int, column: str = "valid_bpc", *, span: int = 1) -> Cells:
        """Every run of an arm, and every logged run, that has the epoch: its mean over the `span` epochs up to it."""
        epochs = list(range(epoch - span + 1, epoch + 1))
        cells = {
            arm: {seed: float(c.loc[epochs, column].mean()) for seed, c in curves.items() if epoch in c.index}
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
    """The arms at the last epoch that all have, beside the authors' logs, as Markdown."""
    setting = Setting.of(results)
    assert setting.epoch is not None
    logged = authors.at_epoch(setting.logs, setting.epoch)
    measured = [setting.at(setting.epoch, column) for column in COLUMNS]
    rows = []
    for arm, name in ARMS.items():
        own = (", ".join(f"{bpc:.3f}" for bpc in cells[arm].values()) for cells in measured)
        rows.append([name, *own, "{:.3f} ± {:.3f}".format(*logged[arm]) if arm in logged else "–"])
    counted = f"epoch {setting.epoch} of {EPOCHS}, a number a run"
    return markdown((counted, "training bpc", "validation bpc", "the authors' logs"), rows)


def in_float32(results: Path) -> dict[int, Run]:
    """Seed → run, of those that finished."""
    return {run.config["seed"]: run for run in load_all(results / FLOAT32) if has_result(run)}
