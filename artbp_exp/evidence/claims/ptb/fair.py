"""Claims about the fair comparison on Penn Treebank: every method at its own best learning rate."""

from collections.abc import Iterator
from pathlib import Path

from artbp_exp.evidence.best_rate import Arm, arms
from artbp_exp.evidence.claims.claim import FAILS, HOLDS, NOT_YET, OPEN, Claim, notes
from artbp_exp.evidence.claims.ptb.measured import estimate
from artbp_exp.evidence.ptb_runs import late
from artbp_exp.evidence.recipe import recipe
from artbp_exp.evidence.statistics import CONFIDENCE, Contrast, bare, contrast, holm
from artbp_exp.runs.load import load_all

NAME = "ptb_fair"
OWN = "ARTBP, L0 = 50, α = 4"

ROWS = (
    (
        "fair_lead",
        "ARTBP ends ahead of truncated BPTT of the same length, each at its best learning rate",
        "truncated BPTT, L = 50",
    ),
    (
        "fair_memory",
        "ARTBP ends ahead of truncated BPTT of the same mean stored steps, each at its best learning rate",
        "truncated BPTT, L = 197",
    ),
    (
        "fair_reweighting",
        "ARTBP ends ahead of its random cuts without reweighting, each at its best learning rate",
        "random cuts, not reweighted, L0 = 50, α = 4",
    ),
)
"""(Key, claim, the arm that ARTBP is compared with.)"""


def fair_arms(results: Path) -> dict[str, Arm]:
    """Title → arm."""
    return arms(load_all(results / NAME))


def fair_claims(results: Path) -> list[Claim]:
    """The rows, their tests corrected as one family."""
    found = fair_arms(results)
    tests = [lead(found, other) for _, _, other in ROWS]
    levels = iter(holm([test.p for test in tests if test is not None]))
    adjusted = [None if test is None else next(levels) for test in tests]
    return [_claim(found, row, test, p) for row, test, p in zip(ROWS, tests, adjusted, strict=True)]


def lead(found: dict[str, Arm], other: str) -> Contrast | None:
    """By how much ARTBP is ahead of another arm, with the noise pooled over the arms; None without seeds to tell it."""
    cells = {title: list(arm.ends(arm.best).values()) for title, arm in found.items() if arm.best is not None}
    return contrast(cells, {other: 1, OWN: -1})


def paired(found: dict[str, Arm], other: str) -> list[float]:
    """The same for each seed that both have at their best rates."""
    pair = [arm for title in (other, OWN) if (arm := found.get(title)) is not None and arm.best is not None]
    if len(pair) < 2:
        return []
    theirs, own = (arm.ends(arm.best) for arm in pair if arm.best is not None)
    return [theirs[seed] - own[seed] for seed in own if seed in theirs]


def _claim(found: dict[str, Arm], row: tuple[str, str, str], test: Contrast | None, level: float | None) -> Claim:
    key, claim, other = row
    points = paired(found, other)
    verdict = OPEN
    if not points:
        verdict = NOT_YET
    elif test is not None and level is not None and level < 1 - CONFIDENCE:
        verdict = HOLDS if test.value > 0 else FAILS
    return Claim(
        key=key,
        claim=f"{claim} (LSTM, 256 units, 10 epochs, state carried, cosine decay)",
        paper=key == "fair_lead",
        source="section 6.2" if key == "fair_lead" else "this project",
        quantity=(
            f"mean validation bpc over the last {late(10)} epochs, of {other} minus that of {OWN}; above 0: ARTBP ahead"
        ),
        found=(estimate(points, test) if test else bare(points)) if points else None,
        verdict=verdict,
        note=notes(
            f"p = {test.p:.2g}, adjusted {level:.2g}" if test and level is not None else "",
            "no arm has a second seed yet, so there is no noise to hold this against" if points and not test else "",
            *_where(found, other),
        ),
    )


def _where(found: dict[str, Arm], other: str) -> Iterator[str]:
    grid = recipe(NAME).values("optimizer.lr")
    for title in (OWN, other):
        arm = found.get(title)
        if arm is None or arm.best is None:
            yield f"no run of {title} has ended"
            continue
        missing = [f"{rate:g}" for rate in grid if rate not in arm.means]
        where = "inside the rates that were run" if arm.inside else "at the edge of the rates that were run"
        yield (
            f"{title}: best at η = {arm.best:g}, {where} ({len(arm.ends(arm.best))} of {len(recipe(NAME).seeds)} seeds)"
            + (f", not yet run at {', '.join(missing)}" if missing else "")
        )
