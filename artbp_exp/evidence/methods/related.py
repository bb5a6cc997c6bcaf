"""Claims about attention, auxiliary losses and target propagation: the papers' abstracts against small runs."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from artbp_exp.evidence.arms import label
from artbp_exp.evidence.claims.claim import OPEN, Claim
from artbp_exp.evidence.read import grouped, read
from artbp_exp.evidence.statistics import bare
from artbp_exp.runs.load import Run, load_runs

NEAR = 0.1
"""Share of chance within which two held-out losses count as the same."""

LAW = Path("methods_tprop", "law.csv")


def related_claims(results: Path) -> Iterator[Claim]:
    """The rows from copy memory, digits, the law of target propagation and Penn Treebank."""
    copies = load_runs(results / "methods_copy")
    yield _copy(_scores(copies))
    yield from _artbp_on_copy(_scores(copies), copies)
    yield from _digits(_accuracies(load_runs(results / "methods_digits")))
    yield _law(results)
    yield _penn_treebank(load_runs(results / "methods_ptb"))


def _scores(runs: list[Run]) -> dict[str, list[float]]:
    """Arm → the held-out loss at the end over chance, for each seed."""
    return {
        arm: [float(run.metrics("valid_loss")["valid_loss"].iloc[-1]) / run.summary["chance"] for run in members]
        for arm, members in grouped(runs, label).items()
    }


def _accuracies(runs: list[Run]) -> dict[str, list[float]]:
    """Arm → the share of held-out digits that are right at the best row, for each seed."""
    return {arm: [run.summary["valid_accuracy"] for run in mine] for arm, mine in grouped(runs, label).items()}


def _told(found: dict[str, list[float]]) -> str:
    return "; ".join(f"{arm}: {', '.join(f'{value:.3f}' for value in values)}" for arm, values in found.items())


def _copy(found: dict[str, list[float]]) -> Claim:
    claim = Claim(
        key="sab_copy",
        claim="Sparse attentive backtracking comes near full BPTT on copy memory, where truncated BPTT fails",
        source="Ke et al. 2018, abstract",
        quantity="held-out loss at the end over chance: SAB, its model under full BPTT, truncated BPTT",
        unit="runs",
        note=_told(found),
    )
    names = ("SAB, detached every 5 steps", "SAB, detached every 1000 steps", "truncated BPTT, L = 5")
    sparse, full, cut = (found.get(name, []) for name in names)
    if not (sparse and full and cut):
        return claim
    points = bare([*sparse, *full, *cut])
    if max(full) > min(cut) - NEAR:  # the runs are too short for full BPTT to show what truncation costs
        note = f"full BPTT is not ahead of truncated BPTT either: these runs cannot tell; {claim.note}"
        return claim.measured(points, OPEN, note)
    return claim.measured(points, max(sparse) < min(max(full) + NEAR, min(cut) - NEAR))


def _artbp_on_copy(found: dict[str, list[float]], runs: list[Run]) -> Iterator[Claim]:
    """Against truncated BPTT of the same mean length, of the same memory, and against its own cuts."""
    own = "ARTBP, L0 = 5, α = 6"
    kept = {arm: members[0].summary["stored_numbers"] for arm, members in grouped(runs, label).items()}
    for key, rival in (
        ("length", "truncated BPTT, L = 5"),
        ("memory", "truncated BPTT, L = 8"),
        ("reweighting", "random cuts, not reweighted, L0 = 5, α = 6"),
    ):
        claim = Claim(
            key=f"artbp_copy_{key}",
            claim=f"ARTBP learns copy memory on every seed, {rival} on none",
            quantity=f"held-out loss at the end over chance: {own}; {rival}",
            unit="runs",
        )
        if {own, rival} <= found.keys():
            claim = claim.measured(
                bare([*found[own], *found[rival]]),
                max(found[own]) < NEAR and min(found[rival]) > 2 * NEAR,
                f"{_told({arm: found[arm] for arm in (own, rival)})}; numbers kept for a stream: "
                f"{kept[own]:.0f}, {kept[rival]:.0f}",
            )
        yield claim


def _digits(found: dict[str, list[float]]) -> Iterator[Claim]:
    alone = found.get("truncated BPTT, L = 16", [])
    for kind in ("reconstruction", "prediction"):
        claim = Claim(
            key=f"auxiliary_digits_{kind}",
            claim=f"With {kind} as an auxiliary loss, truncated BPTT tells more digits than alone, on every seed",
            source="after Trinh et al. 2018; no published number at this size",
            quantity="share of held-out digits that are right, at a run's row of least held-out loss, less the mean of "
            "truncated BPTT alone; a point a run",
            unit="runs",
            note=_told(found),
        )
        beside = found.get(f"truncated BPTT, L = 16 + {kind}", [])
        if alone and beside:
            ahead, behind = min(beside) > max(alone), max(beside) <= max(alone)
            leads = bare(value - float(np.mean(alone)) for value in beside)
            claim = claim.measured(leads, ahead if ahead or behind else OPEN)
        yield claim


def _law(results: Path) -> Claim:
    claim = Claim(
        key="tprop_law",
        claim="The bias of target propagation falls as 1/λ, where the free states are solved for",
        source="this project; derived",
        quantity="slope of log error against log λ, λ from 100 to 10 000, on influence balancing",
        unit="fit",
    )
    table = read(results / LAW, ("strength", "error"))
    rows = table[table["strength"] >= 100]
    if len(rows) < 2:
        return claim
    slope = np.polyfit(np.log(rows["strength"]), np.log(rows["error"]), 1)[0]
    note = f"error from {table['error'].max():.2g} to {table['error'].min():.2g}"
    return claim.measured(bare([slope]), abs(slope + 1) < 0.05, note)


def _penn_treebank(runs: list[Run]) -> Claim:
    claim = Claim(
        key="tprop_ptb",
        claim="Target propagation generally underperforms BPTT",
        source="Wiseman et al. 2017, abstract",
        quantity="validation bits per character after an epoch, 100 units: TPROP's less truncated BPTT's",
        unit="pairs",
        note="missing, or diverged: the runs of the recipe methods_ptb",
    )
    ends = {run.config["method"]["name"]: run.summary["valid_bpc"] for run in runs}
    found = {name: float(bpc) for name, bpc in ends.items() if bpc is not None}
    if not {"tprop", "tbptt"} <= found.keys():
        return claim
    behind = found["tprop"] - found["tbptt"]
    return claim.measured(
        bare([behind]), OPEN, "blocks and segments of 10 steps; one seed, and no noise to hold it against"
    )
