"""Claims about Penn Treebank: one end point, one pooled noise, and tests that are one family."""

from pathlib import Path

from artbp_exp.evidence import authors
from artbp_exp.evidence.claims.claim import FAILS, HOLDS, NOT_YET, OPEN, Claim
from artbp_exp.evidence.claims.ptb.measured import Measured, estimate
from artbp_exp.evidence.claims.ptb.rows import AGAIN, ROWS, Row
from artbp_exp.evidence.claims.ptb.single import logged, reweighting, rounding
from artbp_exp.evidence.ptb_runs import ROUNDING, arms, diverged
from artbp_exp.evidence.statistics import CONFIDENCE, Contrast, holm

Tested = tuple[Contrast, float] | None
"""A contrast, and its level after Holm's correction."""


def ptb_claims(results: Path) -> list[Claim]:
    """The rows on Penn Treebank."""
    measured, logs = Measured.of(results), authors.logs(results)
    families = map(_adjusted, zip(*(measured.tests(row.weights) for row in ROWS), strict=True))
    claims = [_claim(row, measured, test, again) for row, test, again in zip(ROWS, *families, strict=True)]
    return [logged(logs), *claims, reweighting(measured, logs), *rounding(measured)]


def commands(results: Path) -> list[str]:
    """Those of the repeated runs, as recorded: the settings of that commit had other names."""
    runs = [run for by_seed in arms(results / ROUNDING).values() for run in by_seed.values()]
    return [f"{run.summary['command']}  # at commit {str(run.summary['git_commit'])[:7]}" for run in runs]


def _adjusted(family: tuple[Contrast | None, ...]) -> list[Tested]:
    levels = iter(holm([test.p for test in family if test is not None]))
    return [None if test is None else (test, next(levels)) for test in family]


def _claim(row: Row, measured: Measured, test: Tested, again: Tested) -> Claim:
    points, verdict, other = row.points(measured.own), _verdict(test), _verdict(again)
    lost = any(diverged(run) for arm in row.weights if arm[0] == "artbp" for run in measured.runs.get(arm, {}).values())
    overturned = test is not None and again is not None and verdict != other
    if lost or overturned:  # whatever the seeds that finished say: ARTBP that diverged cannot be called ahead
        verdict = OPEN
    repeated = f"{AGAIN}: {_levels(again)}, so not settled" if overturned else ""
    return Claim(
        key=row.key,
        claim=row.claim,
        source=row.source,
        paper=row.paper,
        quantity=row.quantity,
        found=estimate(points, test[0] if test else None),
        verdict=verdict if points else NOT_YET,
        unit=row.unit,
        note=row.note(measured, _levels(test), repeated),
    )


def _levels(test: Tested) -> str:
    if test is None:
        return ""
    found, adjusted = test
    size = f"{found.value:+.4f} ± {found.half:.4f} bpc (noise of a run {found.noise:.4f})"
    return f"{size}, p = {found.p:.2g}, adjusted {adjusted:.2g}"


def _verdict(test: Tested) -> str:
    if test is None or test[1] >= 1 - CONFIDENCE:
        return OPEN
    return HOLDS if test[0].value > 0 else FAILS
