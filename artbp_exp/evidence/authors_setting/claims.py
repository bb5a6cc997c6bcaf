"""Claims from the runs in the authors' setting: their logs are reproduced, and whose gain it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from artbp_exp.evidence import authors
from artbp_exp.evidence.authors_setting.rows import ROWS, Row
from artbp_exp.evidence.authors_setting.runs import ARMS, COLUMNS, LOGGED, TITLE, Cells, Setting, curve, in_float32
from artbp_exp.evidence.claims.claim import NOT_YET, OPEN, Claim, notes
from artbp_exp.evidence.claims.ptb.rows import RESET
from artbp_exp.evidence.ptb_runs import late
from artbp_exp.evidence.statistics import Contrast, bare, contrast, estimate
from artbp_exp.evidence.verdicts import Verdicts, agreed

CLOSE = 0.005
"""Bits per character within which bfloat16, float32 and the logs were to agree after epoch 1; chosen beforehand."""


def paper_claims(results: Path) -> list[Claim]:
    """The rows in the authors' setting. A verdict is one on which the last epoch and the last quarter agree."""
    setting = Setting.of(results)
    last, quarter = View(setting=setting), View(setting=setting, quarter=True)
    return [_precision(setting, results), *(_claim(row, last, quarter) for row in ROWS)]


@dataclass(frozen=True, kw_only=True)
class View:
    """Where a row's arms and the logs stand at the last epoch that the arms have in common, or in the quarter up to it.

    Attributes:
        setting: the runs and the logs.
        quarter: whether a level is the mean over the last quarter of the epochs so far; else that of the epoch.
    """

    setting: Setting
    quarter: bool = False

    def epochs(self, row: Row) -> range:
        """Those over which the means go; none where its arms have none in common."""
        epoch = self.setting.epoch(row.arms) or 0
        return range(epoch - (late(epoch) if self.quarter else 1) + 1, epoch + 1) if epoch else range(0)

    def cells(self, row: Row, column: str = "valid_bpc") -> Cells:
        """Bits per character."""
        return self.setting.at(self.epochs(row), column)

    @cached_property
    def tests(self) -> dict[str, Contrast]:
        """Key of a row → its test. The noise is pooled over every cell, the authors' five runs included."""
        measured = [(row, self.cells(row)) for row in ROWS if self.epochs(row)]
        found = {row: {cell: list(bpc.values()) for cell, bpc in cells.items()} for row, cells in measured}
        tests = {row.key: contrast(values, row.weights) for row, values in found.items()}
        return {key: test for key, test in tests.items() if test is not None}

    def verdicts(self, row: Row) -> Verdicts:
        """Those of all rows, with the margin of this one: half of the lead in the logs at its epoch."""
        cells = self.cells(row)
        logged = [float(np.mean(list(cells[cell].values()))) for cell in LOGGED.values() if cells.get(cell)]
        return Verdicts(
            tests=self.tests,
            level=[row.key for row in ROWS if row.level],
            margin=abs(logged[0] - logged[1]) / 2 if logged else None,
        )


def _claim(row: Row, last: View, quarter: View) -> Claim:
    setting = last.setting
    first, second = (ARMS.get(cell, "the mean of the authors' five runs") for cell in (row.first, row.second))
    claim = Claim(
        key=row.key,
        claim=f"{row.claim} ({TITLE})",
        source="section 6.2" if row.paper else "this project",
        paper=row.paper,
        quantity=f"validation bits per character (bpc) {setting.standing(row.arms)}; of {first} minus that of {second}",
        unit="runs",
    )
    if not last.epochs(row):
        absent = ", ".join(setting.absent(row.arms)) or "an epoch that both have on one seed"
        return claim.measured(None, NOT_YET, missing=f"missing: {absent}")
    points, lost = row.points(last.cells(row)), any(map(setting.lost, row.arms))
    return claim.measured(
        estimate(points, last.tests.get(row.key)),
        NOT_YET if not points else OPEN if lost else agreed((v.verdicts(row) for v in (last, quarter)), row.key),
        notes(*_said(row, last, quarter)),
    )


def _said(row: Row, last: View, quarter: View) -> Iterator[str]:
    setting, cells, training = last.setting, last.cells(row), last.cells(row, "train_bpc")
    for cell in (row.first, row.second):
        levels, trained = (list(found.get(cell, {}).values()) for found in (cells, training))
        sd = f" ± {np.std(levels, ddof=1):.4f}" if len(levels) > 1 else ""
        yield f"{ARMS.get(cell, 'logs')} {np.mean(levels):.4f}{sd}, training {np.mean(trained):.4f}" if levels else ""
    for view in (last, quarter):
        if (test := view.tests.get(row.key)) is not None:
            epochs, verdicts = view.epochs(row), view.verdicts(row)
            where = f"mean of epochs {epochs[0]} to {epochs[-1]}" if view.quarter else f"epoch {epochs[-1]}"
            level = f", p = {test.p:.2g}, adjusted {verdicts.adjusted[row.key]:.2g}" if not row.level else ""
            margin = f" within ±{verdicts.margin:.4f}" if row.level and verdicts.margin is not None else ""
            yield f"{where}: {test.value:+.4f} ± {test.half:.4f}{margin}{level} (noise of a run {test.noise:.4f})"
    if row.key in last.tests:
        yield "the noise is pooled over the logged runs and those here, of which an arm has one or two"
    if row.level and last.verdicts(row).margin is not None:
        yield "holds: both 95 % intervals lie within half of the lead in the logs"
        yield "this margin was chosen after these runs had been seen; the recipe named none"
    yield f"the recipe said before the first run, of epoch 20: '{row.said}'" if row.said else ""
    yield from (text for arm in row.arms for text in setting.behind(arm, last.epochs(row)[-1]))
    yield RESET if row.paper else ""


def _precision(setting: Setting, results: Path) -> Claim:
    """That bfloat16 products change nothing that matters, and that epoch 1 ends where the logs do."""
    exact = {seed: curve(run).loc[1].to_dict() for seed, run in in_float32(results).items()}
    curves = setting.curves.get("tbptt", {})
    own = {seed: c.loc[1].to_dict() for seed, c in curves.items() if seed in exact and 1 in c.index}
    logged = {c: at["tbptt"] for c in COLUMNS if (at := authors.at_epoch(setting.logs, 1, c))}
    pairs = [(bpc[column], exact[seed][column]) for seed, bpc in own.items() for column in COLUMNS]
    others = [(bpc[column], logged[column][0]) for bpc in own.values() for column in logged]
    found = [float(first - second) for first, second in (*pairs, *others)]
    return Claim(
        key="paper_precision",
        claim=f"Truncated BPTT with products in bfloat16 trains as in float32, and as the logs ({TITLE})",
        quantity=(
            "training and validation bits per character (bpc) after epoch 1, of bfloat16: minus float32 of the same "
            "seed, and minus the mean of the authors' five runs"
        ),
        unit="differences",
    ).measured(
        bare(found),
        all(abs(value) < CLOSE for value in found) if pairs and others else NOT_YET,
        notes(
            "" if pairs else "missing: the epoch in float32, or that in bfloat16",
            *(f"bfloat16 {one:.4f}, float32 {other:.4f}" for one, other in pairs),
            *(f"logs {mean:.4f} ± {sd:.4f}" for mean, sd in logged.values() if pairs),
            f"holds: all within {CLOSE}, which was chosen beforehand",
        ),
    )
