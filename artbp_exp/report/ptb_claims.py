"""Claims about Penn Treebank, from the run folders in `results/ptb_tier1` and `results/ptb_tier2_*`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from artbp_exp.records.load import Run, has_result, load_all
from artbp_exp.report.claim import MEASURED, NOT_YET, Claim
from artbp_exp.report.statistics import Spread, bare, level, sign_verdict, spread

GROUP = "Penn Treebank, one character at a time"
METHODS = {
    "artbp": ("method=artbp", "ARTBP"),
    "tbptt": ("method=tbptt", "truncated BPTT"),
    "random": ("method=artbp method.reweight=false", "random cuts, not reweighted"),
}
STATES = {True: "carried", False: "reset at cuts"}


@dataclass(frozen=True, kw_only=True)
class Tier:
    """A family of runs.

    Attributes:
        name: of the recipe, and of the folder in the results.
        title: in words.
        seeds: wanted.
        carried: values of `task.carry_state` wanted.
        methods: wanted, of `METHODS`.
        settings: that a run of this family has; a run with others is another experiment and is left out.
    """

    name: str
    title: str
    seeds: tuple[int, ...]
    carried: tuple[bool, ...]
    methods: tuple[str, ...]
    settings: Mapping[str, Any]


TIERS = (
    Tier(
        name="ptb_tier1",
        title="LSTM, 256 units, 10 epochs",
        seeds=(0, 1, 2),
        carried=(True, False),
        methods=("artbp", "tbptt", "random"),
        settings={"model.name": "lstm", "model.hidden_size": 256, "task.epochs": 10, "optimizer.lr": 1e-3},
    ),
    Tier(
        name="ptb_tier2_lstm",
        title="LSTM, 512 units, 20 epochs",
        seeds=(0,),
        carried=(True,),
        methods=("artbp", "tbptt"),
        settings={"model.name": "lstm", "model.hidden_size": 512, "task.epochs": 20, "optimizer.lr": 1e-4},
    ),
    Tier(
        name="ptb_tier2_authors",
        title="the authors' cell, 512 units, 20 epochs",
        seeds=(0,),
        carried=(False,),
        methods=("artbp", "tbptt"),
        settings={"model.name": "authors", "model.hidden_size": 512, "task.epochs": 20, "optimizer.lr": 1e-4},
    ),
)

ROUNDING = "ptb_rounding"
"""Folder of runs of the first tier that differ from its own in rounding only."""

METHOD = {"length": 50, "every": 1}
"""What every method of the comparison has; ARTBP and its ablation also have `ARTBP`."""

ARTBP = {"schedule": "paper", "alpha": 4}

Arm = tuple[str, bool]
"""Method of `METHODS`, and whether the state is carried."""

Arms = dict[Arm, dict[int, Run]]


def arms(runs: Iterable[Run], settings: Mapping[str, Any]) -> Arms:
    """Arm → seed → run, of the runs that have `settings` and the comparison's lengths and schedule, ended or not."""
    found: Arms = {}
    for run in runs:
        method = run.config["method"]
        wanted = METHOD | (ARTBP if method["name"] == "artbp" else {})
        own = all(method.get(key, value) == value for key, value in wanted.items())
        if not own or any(_setting(run, key) != value for key, value in settings.items()):
            continue
        kind = "random" if not method.get("reweight", True) else method["name"]
        key = (kind, bool(run.config["task"]["carry_state"]))
        found.setdefault(key, {})[run.config["seed"]] = run
    return found


def _setting(run: Run, key: str) -> Any:
    group, name = key.split(".")
    return run.config[group].get(name)


def ptb_claims(results: Path) -> list[Claim]:
    """The rows on Penn Treebank."""
    claims = [claim for tier in TIERS for claim in _tier(tier, arms(load_all(results / tier.name), tier.settings))]
    return [*claims, *_rounding(results)]


def _tier(tier: Tier, found: Arms) -> Iterator[Claim]:
    for carried, other, part in product(tier.carried, tier.methods[1:], ("valid", "test")):
        yield _ahead(tier, found, carried=carried, other=other, part=part)
    if len(tier.carried) == 2:
        yield _share_of_reset(tier, found)


def paired(found: Arms, first: Arm, second: Arm, part: str) -> dict[int, float]:
    """Seed → bpc of `first` − bpc of `second`, for the seeds on which both finished."""
    one, two = found.get(first, {}), found.get(second, {})
    return {
        seed: one[seed].summary[f"{part}_bpc"] - two[seed].summary[f"{part}_bpc"]
        for seed in sorted(set(one) & set(two))
        if finished(one[seed]) and finished(two[seed])
    }


def finished(run: Run) -> bool:
    """Whether it came to its end; a run that diverged did not, however good an epoch before that was."""
    return run.summary.get("status") == "finished"


def diverged(run: Run) -> bool:
    """Whether it ended so."""
    return run.summary.get("status") == "diverged"


def _ahead(tier: Tier, found: Arms, *, carried: bool, other: str, part: str) -> Claim:
    pairs = paired(found, (other, carried), ("artbp", carried), part)
    measured = spread(list(pairs.values())) if pairs else None
    lost = any(diverged(run) for run in found.get(("artbp", carried), {}).values())
    arms_wanted = [("artbp", carried), (other, carried)]
    name = METHODS[other][1]
    flag = f"task.carry_state={str(carried).lower()}"
    seeds = ",".join(str(seed) for seed in tier.seeds)
    return Claim(
        group=GROUP,
        claim=f"ARTBP ends ahead of {name}, {part} ({tier.title}; state {STATES[carried]})",
        source="section 5.2" if other == "tbptt" else "this project: what the reweighting itself gives",
        quantity=(
            f"{part} bits per character (bpc) of {name} minus ARTBP's, each run at its best valid epoch, paired by "
            f"seed; above 0 ARTBP is ahead"
        ),
        spread=measured,
        # whatever the seeds that finished say: one that diverged cannot be called ahead
        verdict="not settled" if lost else NOT_YET if measured is None else sign_verdict(measured),
        command="; ".join(
            f"artbp-run -m experiment={tier.name} {METHODS[m][0]} {flag} seed={seeds}" for m in ("artbp", other)
        ),
        note=_note(tier, found, arms_wanted, pairs),
    )


def leads(results: Path) -> dict[str, dict[str, dict[str, Spread]]]:
    """Family and state → method → part → ARTBP's lead over it in bits per character, where there are pairs."""
    found: dict[str, dict[str, dict[str, Spread]]] = {}
    for tier in TIERS:
        runs = arms(load_all(results / tier.name), tier.settings)
        for carried, other, part in product(tier.carried, tier.methods[1:], ("valid", "test")):
            if pairs := paired(runs, (other, carried), ("artbp", carried), part):
                family = found.setdefault(f"{tier.title}; state {STATES[carried]}", {})
                family.setdefault(METHODS[other][1], {})[part] = spread(list(pairs.values()))
    return found


def _share_of_reset(tier: Tier, found: Arms) -> Claim:
    """How much of ARTBP's lead is there only because training resets the state."""
    carried, reset = (paired(found, ("tbptt", c), ("artbp", c), "valid") for c in (True, False))
    leads = {seed: reset[seed] - carried[seed] for seed in sorted(set(carried) & set(reset))}
    measured = spread(list(leads.values())) if leads else None
    return Claim(
        group=GROUP,
        claim=f"ARTBP's lead over truncated BPTT is larger where the state is reset at cuts ({tier.title})",
        source="this project: the authors' code resets it, the paper's text carries it",
        quantity=(
            "ARTBP's lead in valid bits per character with the state reset at cuts (task.carry_state=false) minus its "
            "lead with the state carried, paired by seed"
        ),
        spread=measured,
        verdict=NOT_YET if measured is None else sign_verdict(measured),
        command=f"artbp-run -m experiment={tier.name} method=artbp,tbptt",
        note=_note(tier, found, [(m, c) for m in ("artbp", "tbptt") for c in (True, False)], leads),
    )


def _rounding(results: Path) -> Iterator[Claim]:
    """How far a lead moves where the same seed was run again with another rounding; nothing where none was."""
    tier = TIERS[0]
    first, again = (
        paired(arms(load_all(results / name), tier.settings), ("tbptt", True), ("artbp", True), "valid")
        for name in (tier.name, ROUNDING)
    )
    moved = {seed: abs(again[seed] - first[seed]) for seed in sorted(set(first) & set(again))}
    if moved:
        yield Claim(
            group=GROUP,
            claim=f"How far rounding alone moves ARTBP's lead ({tier.title}; state carried)",
            source="this project",
            quantity=(
                "difference in valid bpc between the leads over truncated BPTT of two runs of one seed: the same "
                "weights, data and cuts, gradients equal but for rounding. The rows above cannot be trusted below it"
            ),
            spread=bare(list(moved.values())),
            verdict=MEASURED,
            command=(
                f"artbp-run -m experiment={tier.name} method=artbp,tbptt seed={','.join(map(str, moved))} engine=plain "
                f"results_dir=results/{ROUNDING}"
            ),
            note=". ".join(f"seed {seed}: {first[seed]:+.3f}, run again {again[seed]:+.3f}" for seed in moved),
        )


def _note(tier: Tier, found: Arms, wanted: list[Arm], values: Mapping[int, float]) -> str:
    """Which seeds the row rests on, the level of the test, which runs diverged or are missing, how far those are."""
    said = []
    if values:
        said.append(f"seeds {', '.join(map(str, values))}")
        p = level(spread(list(values.values())))
        said += [f"t-test of a difference of 0: p = {p:.2g}"] if p is not None else []
    for title, chosen in (("diverged", True), ("missing", False)):
        parts = []
        for arm in wanted:
            runs = found.get(arm, {})
            if chosen:
                seeds = [seed for seed, run in sorted(runs.items()) if diverged(run)]
            else:
                seeds = [seed for seed in tier.seeds if seed not in runs or not has_result(runs[seed])]
            if seeds:
                state = "carried" if arm[1] else "reset"
                parts.append(f"{METHODS[arm[0]][1]} ({state}) seed {', '.join(map(str, seeds))}")
        said += [f"{title}: {', '.join(parts)}"] if parts else []
    return "; ".join([*said, *_so_far(tier, found, wanted)])


def _so_far(tier: Tier, found: Arms, wanted: list[Arm]) -> Iterator[str]:
    """How the seeds stand that have not come to their end, at the last epoch that all their arms have reached."""
    for seed in tier.seeds:
        runs = [found.get(arm, {}).get(seed) for arm in wanted]
        going = [run for run in runs if run is not None]
        if len(going) < len(runs) or all(has_result(run) for run in going):
            continue
        table = pd.concat([run.at_epochs("valid_bpc") for run in going], axis=1).dropna()
        if table.empty:
            continue
        levels = [f"{METHODS[arm[0]][1]} {bpc:.3f}" for arm, bpc in zip(wanted, table.iloc[-1], strict=True)]
        yield (
            f"seed {seed} so far, which is not the result: valid bpc at the end of epoch {table.index[-1]:g} "
            f"of {tier.settings['task.epochs']}: {', '.join(levels)}"
        )
