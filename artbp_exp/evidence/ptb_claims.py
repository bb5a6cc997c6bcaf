"""Claims about Penn Treebank: differences between methods, paired by seed, and tested together."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from artbp_exp.evidence.claim import MEASURED, NOT_YET, Claim
from artbp_exp.evidence.paired_tests import Tested, tested
from artbp_exp.evidence.ptb_notes import note
from artbp_exp.evidence.ptb_runs import (
    METHODS,
    PARTS,
    ROUNDING,
    STATES,
    TIERS,
    Arm,
    Arms,
    Tier,
    arms,
    diverged,
    paired,
    run_again,
)
from artbp_exp.evidence.statistics import Spread, bare, sign_verdict, spread
from artbp_exp.runs.load import load_all

GROUP = "Penn Treebank, one character at a time"


@dataclass(frozen=True, kw_only=True)
class Row:
    """A difference that a claim is made of.

    Attributes:
        tier: the family of its runs.
        claim: in words.
        source: where it is made.
        quantity: what is measured, with its unit.
        command: that makes the runs.
        arms: that it rests on.
        values: the runs → seed → the difference; above 0 agrees with the claim.
    """

    tier: Tier
    claim: str
    source: str
    quantity: str
    command: str
    arms: tuple[Arm, ...]
    values: Callable[[Arms], dict[int, float]]


def ptb_claims(results: Path) -> list[Claim]:
    """The rows on Penn Treebank; their tests are one family."""
    found = {tier.name: arms(load_all(results / tier.name), tier.settings) for tier in TIERS}
    repeated = load_all(results / ROUNDING)
    again = {tier.name: run_again(found[tier.name], arms(repeated, tier.settings)) for tier in TIERS}
    rows = [row for tier in TIERS for row in _rows(tier)]
    own, other = (tested([row.values(runs[row.tier.name]) for row in rows]) for runs in (found, again))
    claims = [
        _claim(row, found[row.tier.name], mine, repeat) for row, mine, repeat in zip(rows, own, other, strict=True)
    ]
    return [*claims, *_rounding(found[TIERS[0].name], arms(repeated, TIERS[0].settings))]


def leads(results: Path) -> dict[str, dict[str, dict[str, Spread]]]:
    """Family and state → method → key of `PARTS` → ARTBP's lead over it in bpc, where there are pairs."""
    found: dict[str, dict[str, dict[str, Spread]]] = {}
    for tier in TIERS:
        runs = arms(load_all(results / tier.name), tier.settings)
        for carried, other, part in product(tier.carried, tier.methods[1:], PARTS):
            if pairs := paired(runs, (other, carried), ("artbp", carried), part):
                family = found.setdefault(f"{tier.title}; state {STATES[carried]}", {})
                family.setdefault(METHODS[other][1], {})[part] = spread(list(pairs.values()))
    return found


def _rows(tier: Tier) -> Iterator[Row]:
    for carried, other, part in product(tier.carried, tier.methods[1:], PARTS):
        yield _ahead(tier, carried=carried, other=other, part=part)
    if len(tier.carried) == 2:
        yield from (_share_of_reset(tier, part) for part in PARTS)


def _claim(row: Row, found: Arms, own: Tested, again: Tested) -> Claim:
    lost = any(diverged(run) for arm in row.arms if arm[0] == "artbp" for run in found.get(arm, {}).values())
    measured = own.measured
    # whatever the seeds that finished say: one that diverged cannot be called ahead
    verdict = "not settled" if lost else NOT_YET if measured is None else sign_verdict(measured, own.adjusted)
    return Claim(
        group=GROUP,
        claim=row.claim,
        source=row.source,
        quantity=row.quantity,
        spread=measured,
        verdict=verdict,
        command=row.command,
        note=note(row.tier, found, row.arms, own=own, again=again, verdict=verdict),
    )


def _ahead(tier: Tier, *, carried: bool, other: str, part: str) -> Row:
    name = METHODS[other][1]
    corpus, when = PARTS[part]
    flag = f"task.carry_state={str(carried).lower()}"
    seeds = ",".join(str(seed) for seed in tier.seeds)
    return Row(
        tier=tier,
        claim=f"ARTBP is ahead of {name}, {when}, {corpus} ({tier.title}; state {STATES[carried]})",
        source="section 6.2" if other == "tbptt" else "this project: what the reweighting itself gives",
        quantity=(
            f"{corpus} bits per character (bpc) of {name} minus ARTBP's, {when}, paired by seed; above 0 ARTBP is ahead"
        ),
        command="; ".join(
            f"artbp-run -m experiment={tier.name} {METHODS[m][0]} {flag} seed={seeds}" for m in ("artbp", other)
        ),
        arms=(("artbp", carried), (other, carried)),
        values=lambda found: paired(found, (other, carried), ("artbp", carried), part),
    )


def _share_of_reset(tier: Tier, part: str) -> Row:
    """How much of ARTBP's lead is there only because training resets the state."""
    corpus, when = PARTS[part]

    def values(found: Arms) -> dict[int, float]:
        carried, reset = (paired(found, ("tbptt", c), ("artbp", c), part) for c in (True, False))
        return {seed: reset[seed] - carried[seed] for seed in sorted(set(carried) & set(reset))}

    return Row(
        tier=tier,
        claim=(
            f"ARTBP's lead over truncated BPTT is larger where the state is reset at cuts, {when}, {corpus} "
            f"({tier.title})"
        ),
        source="this project: the authors' code resets it, the paper's text carries it",
        quantity=(
            f"ARTBP's lead in {corpus} bits per character, {when}, with the state reset at cuts "
            f"(task.carry_state=false) minus its lead with the state carried, paired by seed"
        ),
        command=f"artbp-run -m experiment={tier.name} method=artbp,tbptt",
        arms=tuple((method, carried) for method in ("artbp", "tbptt") for carried in (True, False)),
        values=values,
    )


def _rounding(found: Arms, again: Arms) -> Iterator[Claim]:
    """How far a lead moves where the same seed was run again with another rounding; nothing where none was."""
    tier, pair = TIERS[0], (("tbptt", True), ("artbp", True))
    for part, (corpus, when) in PARTS.items():
        first, second = (paired(runs, *pair, part) for runs in (found, again))
        moved = {seed: abs(second[seed] - first[seed]) for seed in sorted(set(first) & set(second))}
        if not moved:
            continue
        # as recorded: the settings of that commit had other names
        summaries = [again[arm][seed].summary for seed in moved for arm in reversed(pair)]
        commands = [f"{summary['command']}  # at commit {str(summary['git_commit'])[:7]}" for summary in summaries]
        yield Claim(
            group=GROUP,
            claim=f"How far rounding alone moves ARTBP's lead, {when}, {corpus} ({tier.title}; state carried)",
            source="this project",
            quantity=(
                f"difference in {corpus} bpc, {when}, between the leads over truncated BPTT of two runs of one seed: "
                f"the same weights, data and cuts, gradients equal but for rounding. A lead in the rows above cannot "
                f"be trusted below it"
            ),
            spread=bare(list(moved.values())),
            verdict=MEASURED,
            command="; ".join(commands),
            note=". ".join(f"seed {seed}: {first[seed]:+.3f}, run again {second[seed]:+.3f}" for seed in moved),
        )
