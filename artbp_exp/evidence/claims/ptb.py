"""Claims about Penn Treebank: one end point, one pooled noise, and tests that are one family."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from artbp_exp.evidence import authors
from artbp_exp.evidence.claims.claim import FAILS, HOLDS, MEASURED, NOT_YET, OPEN, Claim, notes
from artbp_exp.evidence.claims.ptb_notes import RESET, at_equal_progress, lacking
from artbp_exp.evidence.ptb_runs import ROUNDING, STATES, TIERS, Arm, Arms, Tier, diverged, end_points, late
from artbp_exp.evidence.statistics import CONFIDENCE, Contrast, Spread, bare, contrast, holm

Weights = Mapping[Arm, float]
Ends = dict[Arm, dict[int, float]]
"""Arm → seed → end point."""

Tested = tuple[Contrast, float] | None
"""A contrast, and its level after Holm's correction."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A difference between methods that a claim is made of.

    Attributes:
        key: of the claim.
        tier: the family of its runs.
        claim: in words.
        source: where it is made.
        paper: whether the paper makes it.
        quantity: what is measured.
        weights: arm → its weight in the difference of mean end points; above 0 agrees with the claim.
        points: the differences that make a point for each seed; by default `weights` alone.
    """

    key: str
    tier: Tier
    claim: str
    source: str
    paper: bool = False
    quantity: str
    weights: Weights
    points: tuple[Weights, ...] = ()

    def each(self, ends: Ends) -> list[float]:
        """A point for each difference and each seed on which all of its arms finished."""
        return [value for weights in self.points or (self.weights,) for value in paired(ends, weights).values()]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A tier's runs and their end points.

    Attributes:
        runs: its own.
        own: end points of these.
        again: the same with the runs of `ROUNDING` in the place of those of the same arm and seed.
        replicates: arm → every end point; a run that was run again counts as two.
    """

    runs: Arms
    own: Ends
    again: Ends
    replicates: dict[Arm, list[float]]

    @classmethod
    def of(cls, tier: Tier, results: Path) -> "Measured":
        """Reads a tier."""
        runs, repeated = tier.load(results), end_points(tier.repeated(results))
        own = end_points(runs)
        other = {arm: {s: v for s, v in repeated.get(arm, {}).items() if s in ends} for arm, ends in own.items()}
        return cls(
            runs=runs,
            own=own,
            again={arm: ends | other[arm] for arm, ends in own.items()},
            replicates={arm: [*ends.values(), *other[arm].values()] for arm, ends in own.items()},
        )

    def tests(self, weights: Weights) -> tuple[Contrast | None, Contrast | None]:
        """The contrast over all replicates, and with the repeated runs in the place of those of their seeds."""
        again = {arm: list(ends.values()) for arm, ends in self.again.items()}
        return contrast(self.replicates, weights), contrast(again, weights)


@dataclass(frozen=True, kw_only=True)
class Lead:
    """ARTBP's lead over a method.

    Attributes:
        heading: the model and its state.
        method: that ARTBP is compared with, a key of `METHODS`.
        lead: of each seed, with its mean and interval.
        repeated: of the seeds with repeated runs, with these in the place of those that they repeat.
    """

    heading: str
    method: str
    lead: Spread
    repeated: tuple[float, ...] = ()


def ptb_claims(results: Path) -> list[Claim]:
    """The rows on Penn Treebank."""
    measured = {tier.name: Measured.of(tier, results) for tier in TIERS}
    logs = authors.logs(results)
    rows = [row for tier in TIERS for row in _rows(tier)]
    tests = (measured[row.tier.name].tests(row.weights) for row in rows)
    families = (_adjusted(family) for family in zip(*tests, strict=True))
    claims = [
        _claim(row, measured[row.tier.name], test, again, logs)
        for row, test, again in zip(rows, *families, strict=True)
    ]
    first = measured[TIERS[0].name]
    return [_logged(logs), *claims, _reweighting(first, logs), *_rounding(first)]


def commands(results: Path) -> list[str]:
    """Those of the repeated runs, as recorded: the settings of that commit had other names."""
    runs = [run for by_seed in TIERS[0].repeated(results).values() for run in by_seed.values()]
    return [f"{run.summary['command']}  # at commit {str(run.summary['git_commit'])[:7]}" for run in runs]


def paired(ends: Ends, weights: Weights) -> dict[int, float]:
    """Seed → Σ weight · end point, for the seeds on which all of the arms finished."""
    seeds = set.intersection(*(set(ends.get(arm, {})) for arm in weights))
    return {seed: sum(weight * ends[arm][seed] for arm, weight in weights.items()) for seed in sorted(seeds)}


def ahead(other: str, *, carried: bool) -> Weights:
    """ARTBP's lead over another method."""
    return {(other, carried): 1, ("artbp", carried): -1}


def _rows(tier: Tier) -> Iterator[Row]:
    end = f"mean validation bits per character (bpc) over the last {late(tier.settings['task.epochs'])} epochs"
    for carried in tier.carried:
        yield Row(
            key=f"lead_{tier.name}_{'carried' if carried else 'reset'}",
            tier=tier,
            claim=f"ARTBP ends ahead of truncated BPTT ({tier.title}; state {STATES[carried]})",
            source="section 6.2",
            paper=True,
            quantity=f"{end}, of truncated BPTT minus ARTBP's; above 0 ARTBP is ahead",
            weights=ahead("tbptt", carried=carried),
        )
    if len(tier.carried) < 2:
        return
    yield Row(
        key="share_of_reset",
        tier=tier,
        claim=f"ARTBP's lead over truncated BPTT is larger where the state is reset at cuts ({tier.title})",
        source="this project: the authors' code resets it, the paper's text carries it",
        quantity=f"ARTBP's lead in {end}, with the state reset minus with the state carried",
        weights={**ahead("tbptt", carried=False), ("tbptt", True): -1, ("artbp", True): 1},
    )
    worse = tuple({(method, True): 1.0, (method, False): -1.0} for method in tier.methods)
    yield Row(
        key="carrying",
        tier=tier,
        claim=f"Carrying the state across cuts ends worse than resetting it ({tier.title})",
        source="this project",
        quantity=(
            f"{end}, with the state carried minus with it reset, mean of the {len(tier.methods)} methods; a point for "
            "each method and seed"
        ),
        weights={arm: weight / len(tier.methods) for weights in worse for arm, weight in weights.items()},
        points=worse,
    )


def _adjusted(family: tuple[Contrast | None, ...]) -> list[Tested]:
    levels = iter(holm([test.p for test in family if test is not None]))
    return [None if test is None else (test, next(levels)) for test in family]


def _claim(row: Row, measured: Measured, test: Tested, again: Tested, logs: pd.DataFrame | None) -> Claim:
    points, verdict, other = row.each(measured.own), _verdict(test), _verdict(again)
    lost = any(diverged(run) for arm in row.weights if arm[0] == "artbp" for run in measured.runs.get(arm, {}).values())
    overturned = test is not None and again is not None and verdict != other
    if lost or overturned:  # whatever the seeds that finished say: ARTBP that diverged cannot be called ahead
        verdict = OPEN
    said = [_levels(test), "" if again is None or not overturned else f"{AGAIN}: {_levels(again)}, so not settled"]
    if row.paper and row.tier.settings["optimizer.lr"] == authors.LEARNING_RATE:
        (carried,) = {state for _, state in row.weights}
        said += at_equal_progress(measured.runs, carried=carried, logs=logs)
    return Claim(
        key=row.key,
        claim=row.claim,
        source=row.source,
        paper=row.paper,
        quantity=row.quantity,
        found=_estimate(points, test[0] if test else None),
        verdict=verdict if points else NOT_YET,
        unit="pairs" if row.points else "seeds",
        note=_note(row, measured, *said),
    )


AGAIN = f"with the runs of results/{ROUNDING} in the place of those that they repeat"


def _note(row: Row, measured: Measured, *said: str) -> str:
    seeds = sorted(set().union(*(measured.own.get(arm, {}) for arm in row.weights)))
    repeated = any(len(measured.replicates[arm]) > len(measured.own[arm]) for arm in row.weights if arm in measured.own)
    return notes(
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}" if seeds else "",
        f"a run that was run again (results/{ROUNDING}) is one more replicate" if repeated else "",
        *said,
        *lacking(row.tier, measured.runs, list(row.weights)),
        RESET if seeds and any(not carried for _, carried in row.weights) else "",
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


def _estimate(points: list[float], test: Contrast | None) -> Spread | None:
    """The points, and the estimate and interval of their test where there is one."""
    if not points or test is None:
        return bare(points) if points else None
    low, high = test.value - test.half, test.value + test.half
    return Spread(points=tuple(points), center=test.value, low=low, high=high, statistic="mean")


def _logged(logs: pd.DataFrame | None) -> Claim:
    """What the authors' own logs say."""
    found, verdict, note = None, NOT_YET, ""
    if logs is not None:
        lead = authors.lead(logs)
        found = Spread(points=(lead.value,), center=lead.value, low=lead.low, high=lead.high, statistic="mean")
        verdict = HOLDS if lead.low > 0 else FAILS if lead.high < 0 else OPEN
        valid, train = authors.at_epoch(logs, 20), authors.at_epoch(logs, 20, "train_bpc")
        note = notes(
            f"{lead.runs} runs of each method, interval by Welch's t",
            f"at epoch 20 validation is {valid['artbp'][0]:.3f} ± {valid['artbp'][1]:.3f} against "
            f"{valid['tbptt'][0]:.3f} ± {valid['tbptt'][1]:.3f} (mean ± sd) and training {train['artbp'][0]:.3f} "
            f"against {train['tbptt'][0]:.3f}: ARTBP trains worse and generalises better",
            RESET,
        )
    return Claim(
        key="logs",
        claim="ARTBP ends ahead of truncated BPTT in the authors' logs (their cell, 1000 units, B = 64; state reset)",
        source="section 6.2; their logs, not measured here",
        paper=True,
        quantity="mean validation bpc over the last 5 of 20 epochs, of truncated BPTT minus ARTBP's",
        found=found,
        unit="differences",
        verdict=verdict,
        note=note,
    )


def _reweighting(measured: Measured, logs: pd.DataFrame | None) -> Claim:
    """That the reweighting makes no difference worth naming: an equivalence, with its margin."""
    tier = TIERS[0]
    pairs = tuple(ahead("random", carried=carried) for carried in tier.carried)
    weights = {arm: weight / len(pairs) for pair in pairs for arm, weight in pair.items()}
    row = Row(
        key="reweighting",
        tier=tier,
        claim=f"The reweighting changes the end point by less than half of the authors' logged lead ({tier.title})",
        source="this project",
        quantity=(
            f"mean validation bpc over the last {late(tier.settings['task.epochs'])} epochs, of random cuts without "
            "reweighting minus ARTBP's, mean of state carried and reset; a point for each state and seed"
        ),
        weights=weights,
        points=pairs,
    )
    points, tests = row.each(measured.own), measured.tests(weights)
    margin = authors.lead(logs).value / 2 if logs is not None else None
    verdict, said = NOT_YET, ""
    if points and margin is not None:
        inside = [test is not None and abs(test.value) + test.half < margin for test in tests]
        outside = [test is not None and abs(test.value) - test.half > margin for test in tests]
        verdict = HOLDS if all(inside) else FAILS if all(outside) else OPEN
        said = (
            f"holds: the 95 % interval lies within ±{margin:.4f}, {AGAIN} as well; the margin was chosen after these "
            "runs had been seen"
        )
    return Claim(
        key=row.key,
        claim=row.claim,
        source=row.source,
        quantity=row.quantity,
        found=_estimate(points, tests[0]),
        verdict=verdict,
        unit="pairs",
        note=_note(row, measured, said),
    )


def _rounding(measured: Measured) -> Iterator[Claim]:
    """How far a lead moves where the same seed was run again with another rounding; nothing where none was."""
    first, second = (paired(ends, ahead("tbptt", carried=True)) for ends in (measured.own, measured.again))
    moved = {seed: abs(second[seed] - first[seed]) for seed in first if second[seed] != first[seed]}
    if moved:
        yield Claim(
            key="rounding",
            claim=f"How far rounding alone moves the lead of a single seed ({TIERS[0].title}; state carried)",
            source="this project",
            quantity=(
                "difference in bpc between the leads over truncated BPTT of two runs of one seed: the same weights, "
                f"data and cuts, gradients equal but for rounding (results/{ROUNDING})"
            ),
            found=bare(list(moved.values())),
            verdict=MEASURED,
            note=". ".join(f"seed {seed}: {first[seed]:+.3f}, run again {second[seed]:+.3f}" for seed in moved),
        )


def leads(results: Path) -> list[Lead]:
    """ARTBP's lead over each method, where there are pairs; for the figure."""
    found = []
    for tier in TIERS:
        measured = Measured.of(tier, results)
        for carried, other in product(tier.carried, tier.methods[1:]):
            weights = ahead(other, carried=carried)
            own, again = paired(measured.own, weights), paired(measured.again, weights)
            lead = _estimate(list(own.values()), measured.tests(weights)[0])
            if lead is not None:
                repeated = tuple(again[seed] for seed in own if again[seed] != own[seed])
                heading = f"{tier.title}; state {STATES[carried]}"
                found.append(Lead(heading=heading, method=other, lead=lead, repeated=repeated))
    return found
