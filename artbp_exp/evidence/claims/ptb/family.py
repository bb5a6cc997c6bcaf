"""Claims about Penn Treebank: one end point, one pooled noise, and tests that are one family."""

from collections.abc import Iterator
from pathlib import Path

from artbp_exp.evidence import authors
from artbp_exp.evidence.claims.claim import NOT_YET, OPEN, Claim
from artbp_exp.evidence.claims.ptb.measured import Measured
from artbp_exp.evidence.claims.ptb.rows import AGAIN, ROWS, Row
from artbp_exp.evidence.claims.ptb.single import logged, rounding
from artbp_exp.evidence.ptb_runs import ROUNDING, arms, diverged
from artbp_exp.evidence.statistics import contrasts, estimate
from artbp_exp.evidence.verdicts import Verdicts, agreed


def ptb_claims(results: Path) -> list[Claim]:
    """The rows on Penn Treebank. A verdict is one that the repeated runs leave as it is."""
    measured, logs = Measured.of(results), authors.logs(results)
    lead, weights = authors.lead(logs), {row.key: row.weights for row in ROWS}
    again = {arm: list(ends.values()) for arm, ends in measured.again.items()}
    first, second = (
        Verdicts(
            tests=contrasts(cells, weights),
            level=[row.key for row in ROWS if row.level],
            margin=lead.center / 2 if lead else None,
        )
        for cells in (measured.replicates, again)
    )
    return [logged(logs), *(_claim(row, measured, first, second) for row in ROWS), *rounding(measured)]


def commands(results: Path) -> list[str]:
    """Those of the repeated runs, as recorded: the settings of that commit had other names."""
    runs = [run for by_seed in arms(results / ROUNDING).values() for run in by_seed.values()]
    return [f"{run.summary['command']}  # at commit {str(run.summary['git_commit'])[:7]}" for run in runs]


def _claim(row: Row, measured: Measured, view: Verdicts, again: Verdicts) -> Claim:
    points = row.points(measured.own)
    # whatever the seeds that finished say: ARTBP that diverged cannot be called ahead
    lost = any(diverged(run) for arm in row.weights if arm[0] == "artbp" for run in measured.runs.get(arm, {}).values())
    settled = bool(points) and (view.margin is not None or not row.level)
    return Claim(
        key=row.key,
        claim=row.claim,
        source=row.source,
        paper=row.paper,
        quantity=row.quantity,
        unit=row.unit,
    ).measured(
        estimate(points, view.tests.get(row.key)),
        NOT_YET if not settled else OPEN if lost else agreed((view, again), row.key),
        row.note(measured, *(_said(row.key, view, again) if settled else ())),
    )


def _said(key: str, view: Verdicts, again: Verdicts) -> Iterator[str]:
    if key in view.level:
        yield (
            f"holds: the 95 % interval lies within ±{view.margin:.4f}, {AGAIN} as well; the margin was chosen after "
            "these runs had been seen"
        )
        return
    yield _tested(key, view)
    if key in again.tests and view.of(key) != again.of(key):
        yield f"{AGAIN}: {_tested(key, again)}, so not settled"


def _tested(key: str, view: Verdicts) -> str:
    if (test := view.tests.get(key)) is None:
        return ""
    size = f"{test.value:+.4f} ± {test.half:.4f} bpc (noise of a run {test.noise:.4f})"
    return f"{size}, p = {test.p:.2g}, adjusted {view.adjusted[key]:.2g}"
