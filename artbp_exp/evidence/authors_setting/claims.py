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
from artbp_exp.evidence.statistics import bare, contrasts, estimate
from artbp_exp.evidence.verdicts import Verdicts, agreed

CLOSE = 0.005
"""Bits per character within which bfloat16, float32 and the logs were to agree after epoch 1; chosen beforehand."""


def paper_claims(results: Path) -> list[Claim]:
    """The rows in the authors' setting. A verdict is one on which the last epoch and the last quarter agree."""
    setting = Setting.of(results)
    last, quarter = (View(setting=setting, span=span) for span in (1, late(setting.epoch or 0)))
    return [_precision(setting, results), *(_claim(row, last, quarter) for row in ROWS)]


@dataclass(frozen=True, kw_only=True)
class View:
    """Where the arms and the logs stand, the mean over the last `span` epochs that all arms have."""

    setting: Setting
    span: int

    @cached_property
    def cells(self) -> Cells:
        """Validation bpc."""
        return self.setting.at(self.setting.epoch or 0, span=self.span)

    @cached_property
    def verdicts(self) -> Verdicts:
        """The noise is pooled over every cell, the authors' five runs included; the margin is half of their lead."""
        values = {name: list(cell.values()) for name, cell in self.cells.items()}
        logged = [float(np.mean(values[cell])) for cell in LOGGED.values() if cell in values]
        return Verdicts(
            tests=contrasts(values, {row.key: row.weights for row in ROWS}),
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
        quantity=f"validation bits per character (bpc) {setting.standing}; of {first} minus that of {second}",
        unit="runs",
    )
    if setting.epoch is None:
        absent = [name for arm, name in ARMS.items() if not any(map(len, setting.curves.get(arm, {}).values()))]
        return claim.measured(None, NOT_YET, missing=f"missing: {', '.join(absent)}")
    points, lost = row.points(last.cells), any(map(setting.lost, row.arms))
    return claim.measured(
        estimate(points, last.verdicts.tests.get(row.key)),
        NOT_YET if not points else OPEN if lost else agreed((last.verdicts, quarter.verdicts), row.key),
        notes(*_said(row, last, quarter)),
    )


def _said(row: Row, last: View, quarter: View) -> Iterator[str]:
    setting, epoch = last.setting, last.setting.epoch
    assert epoch is not None
    training = setting.at(epoch, "train_bpc")
    for cell in (row.first, row.second):
        levels, trained = (list(cells.get(cell, {}).values()) for cells in (last.cells, training))
        sd = f" ± {np.std(levels, ddof=1):.4f}" if len(levels) > 1 else ""
        yield f"{ARMS.get(cell, 'logs')} {np.mean(levels):.4f}{sd}, training {np.mean(trained):.4f}" if levels else ""
    for view, where in ((last, f"epoch {epoch}"), (quarter, f"mean of epochs {epoch - quarter.span + 1} to {epoch}")):
        if (test := view.verdicts.tests.get(row.key)) is not None:
            level = f", p = {test.p:.2g}, adjusted {view.verdicts.adjusted[row.key]:.2g}" if not row.level else ""
            margin = f" within ±{view.verdicts.margin:.4f}" if row.level and view.verdicts.margin is not None else ""
            yield f"{where}: {test.value:+.4f} ± {test.half:.4f}{margin}{level} (noise of a run {test.noise:.4f})"
    if last.verdicts.tests:
        yield "the noise is pooled over the logged runs and those here, of which an arm has one or two"
    if row.level and last.verdicts.margin is not None:
        yield "holds: both 95 % intervals lie within half of the lead in the logs"
        yield "this margin was chosen after these runs had been seen; the recipe named none"
    yield f"the recipe said before the first run, of epoch 20: '{row.said}'" if row.said else ""
    yield from (text for arm in row.arms for text in setting.behind(arm, epoch))
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
