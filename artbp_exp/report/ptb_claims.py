"""Claims about Penn Treebank, from the run folders in `results/ptb_tier1` and `results/ptb_tier2_*`."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from artbp_exp.records.load import Run, load_runs
from artbp_exp.report.claim import NOT_YET, Claim
from artbp_exp.report.statistics import Spread, sign_verdict, spread

GROUP = "Penn Treebank, one character at a time"
METHODS = {
    "artbp": ("method=artbp", "ARTBP"),
    "tbptt": ("method=tbptt", "truncated BPTT"),
    "random": ("method=artbp method.reweight=false", "random cuts, not reweighted"),
}


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A family of runs.

    Attributes:
        name: of the recipe, and of the folder in the results.
        title: in words.
        seeds: wanted.
        carried: values of `task.carry_state` wanted.
        methods: wanted, of `METHODS`.
    """

    name: str
    title: str
    seeds: tuple[int, ...]
    carried: tuple[bool, ...]
    methods: tuple[str, ...]


TIERS = (
    Tier(
        name="ptb_tier1",
        title="LSTM, 256 units, 10 epochs",
        seeds=(0, 1, 2),
        carried=(True, False),
        methods=("artbp", "tbptt", "random"),
    ),
    Tier(
        name="ptb_tier2_lstm",
        title="LSTM, 512 units, 20 epochs",
        seeds=(0,),
        carried=(True,),
        methods=("artbp", "tbptt"),
    ),
    Tier(
        name="ptb_tier2_authors",
        title="the authors' cell, 512 units, 20 epochs",
        seeds=(0,),
        carried=(False,),
        methods=("artbp", "tbptt"),
    ),
)

Arms = dict[tuple[str, bool], dict[int, Run]]


def arms(runs: list[Run]) -> Arms:
    """(method of `METHODS`, carry_state) → seed → run."""
    found: Arms = {}
    for run in runs:
        method = run.config["method"]
        kind = "random" if not method.get("reweight", True) else method["name"]
        key = (kind, bool(run.config["task"]["carry_state"]))
        found.setdefault(key, {})[run.config["seed"]] = run
    return found


def ptb_claims(results: Path) -> list[Claim]:
    """The rows on Penn Treebank."""
    return [claim for tier in TIERS for claim in _tier(tier, arms(load_runs(results / tier.name)))]


def _tier(tier: Tier, found: Arms) -> Iterator[Claim]:
    for carried in tier.carried:
        state = "carried" if carried else "reset at cuts"
        for other in tier.methods[1:]:
            for part in ("valid", "test"):
                yield _ahead(tier, found, carried=carried, other=other, part=part, state=state)
    if len(tier.carried) == 2:
        yield _share_of_reset(tier, found)


def paired(found: Arms, first: tuple[str, bool], second: tuple[str, bool], part: str) -> Spread | None:
    """bpc of `first` − bpc of `second`, seed by seed; None where no seed has both."""
    one, two = found.get(first, {}), found.get(second, {})
    seeds = sorted(set(one) & set(two))
    pairs = [(one[seed].summary[f"{part}_bpc"], two[seed].summary[f"{part}_bpc"]) for seed in seeds]
    # a run that diverged in its first epoch has no number
    values = [a - b for a, b in pairs if a is not None and b is not None]
    return spread(values) if values else None


def _ahead(tier: Tier, found: Arms, *, carried: bool, other: str, part: str, state: str) -> Claim:
    measured = paired(found, (other, carried), ("artbp", carried), part)
    name = METHODS[other][1]
    flag = f"task.carry_state={str(carried).lower()}"
    seeds = ",".join(str(seed) for seed in tier.seeds)
    return Claim(
        group=GROUP,
        claim=f"ARTBP ends ahead of {name}, {part} ({tier.title}; state {state})",
        source="section 5.2" if other == "tbptt" else "this project (what the reweighting itself gives)",
        quantity=f"{part} bpc of {name} minus ARTBP's, at the best valid epoch, paired by seed; > 0: ARTBP ahead",
        spread=measured,
        verdict=NOT_YET if measured is None else sign_verdict(measured),
        command="; ".join(
            f"artbp-run -m experiment={tier.name} {METHODS[m][0]} {flag} seed={seeds}" for m in ("artbp", other)
        ),
        note=missing(tier, found, [("artbp", carried), (other, carried)]),
    )


def _share_of_reset(tier: Tier, found: Arms) -> Claim:
    """How much of ARTBP's lead is there only because training resets the state."""
    pairs = {c: paired(found, ("tbptt", c), ("artbp", c), "valid") for c in (True, False)}
    carried, reset = pairs[True], pairs[False]
    measured = None
    if carried and reset and len(carried.points) == len(reset.points):
        measured = spread([r - c for r, c in zip(reset.points, carried.points, strict=True)])
    return Claim(
        group=GROUP,
        claim=f"ARTBP's lead over truncated BPTT is larger where the state is reset at cuts ({tier.title})",
        source="this project (the authors' code resets, the paper's text carries)",
        quantity="lead in valid bpc with carry_state=false minus lead with carry_state=true, paired by seed",
        spread=measured,
        verdict=NOT_YET if measured is None else sign_verdict(measured),
        command=f"artbp-run -m experiment={tier.name} method=artbp,tbptt",
        note=missing(tier, found, [(m, c) for m in ("artbp", "tbptt") for c in (True, False)]),
    )


def missing(tier: Tier, found: Arms, wanted: list[tuple[str, bool]]) -> str:
    """Which runs of those wanted are not there, in words; empty where all are."""
    gaps = []
    for method, carried in wanted:
        seeds = [seed for seed in tier.seeds if seed not in found.get((method, carried), {})]
        if seeds:
            state = "carried" if carried else "reset"
            gaps.append(f"{METHODS[method][1]} ({state}) seed {', '.join(str(seed) for seed in seeds)}")
    return f"missing: {'; '.join(gaps)}" if gaps else ""
