"""Puts the numbers of the committed CSVs into README.md and docs/, between markers: none is typed by hand."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from artbp_exp.diagnosis.words import said, sharing_cost
from artbp_exp.evidence.figures.common import arms, label
from artbp_exp.evidence.ptb_runs import METHODS, TIERS, Tier, paired
from artbp_exp.evidence.ptb_runs import arms as tier_arms
from artbp_exp.runs.load import Run, load_runs

RESULTS = Path("results")


def influence_balancing() -> str:
    """Final loss and |θ − θ*| for each method: median and range over seeds."""
    lines = [
        "| method | seeds | status | final loss, median (range) | final abs(θ − θ*), median (range) |",
        "| --- | --- | --- | --- | --- |",
    ]
    for which, runs in arms(load_runs(RESULTS / "influence_balancing")).items():
        losses = [run.summary["loss"] for run in runs]
        off = [abs(run.summary["theta"] - run.summary["theta_optimal"]) for run in runs]
        lines.append(f"| {plain(which)} | {len(runs)} | {statuses(runs)} | {interval(losses)} | {interval(off)} |")
    return "\n".join(lines)


def learning_rates() -> str:
    """For each method, on how many seeds each learning rate came within 10⁻³ of θ*."""
    runs = load_runs(RESULTS / "learning_rates")
    rates = sorted({run.config["optimizer"]["lr"] for run in runs})
    lines = [
        "| abs(θ − θ*) < 10⁻³ after 10⁶ steps, seeds of all, at η = | "
        + " | ".join(f"{rate:g}" for rate in rates)
        + " |",
        "| --- |" + " --- |" * len(rates),
    ]
    for which, members in arms(runs).items():
        cells = []
        for rate in rates:
            seeds = [run for run in members if run.config["optimizer"]["lr"] == rate]
            near = sum(abs(run.summary["theta"] - run.summary["theta_optimal"]) < 1e-3 for run in seeds)
            cells.append(f"{near}/{len(seeds)}")
        lines.append(f"| {plain(which)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def ptb_tier1() -> str:
    """Bits per character of three methods at the best valid epoch, and ARTBP's lead there and at the last epoch."""
    return "\n".join([*ptb_header(), *(f"| {row}" for row in ptb_rows(TIERS[0]))])


def ptb_tier2() -> str:
    """The same of the larger models, as far as they have been run to their end."""
    rows = [f"| {tier.title} | {row}" for tier in TIERS[1:] for row in ptb_rows(tier)]
    return "\n".join([*ptb_header("model"), *rows])


def ptb_header(*first: str) -> list[str]:
    """Of a table of bits per character."""
    columns = [
        *first,
        "state",
        "method",
        "seeds",
        "valid bpc, best epoch, seed by seed",
        "test bpc, best valid epoch",
        "ARTBP ahead by (valid), best epoch",
        "ARTBP ahead by (valid), end of the last epoch",
    ]
    return ["| " + " | ".join(columns) + " |", "| --- " * len(columns) + "|"]


def ptb_rows(tier: Tier) -> Iterator[str]:
    """A row for each method and state, from the runs that have come to their end."""
    found = tier_arms(load_runs(RESULTS / tier.name), tier.settings)
    for carried in tier.carried:
        for method in tier.methods:
            runs = found.get((method, carried), {})
            valid, test = (
                ", ".join(f"{runs[seed].summary[f'{part}_bpc']:.3f}" for seed in sorted(runs))
                for part in ("valid", "test")
            )
            best, last = (
                ", ".join(f"{lead:+.3f}" for lead in pairs.values()) if method != "artbp" else ""
                for pairs in (paired(found, (method, carried), ("artbp", carried), part) for part in ("valid", "last"))
            )
            yield (
                f"{'carried' if carried else 'reset at cuts'} | {METHODS[method][1]} | {len(runs)} of "
                f"{len(tier.seeds)} | {valid} | {test} | {best} | {last} |"
            )


def plain(which: tuple[str, float | None]) -> str:
    """A method's name without mathematical markup."""
    return label(which).replace("$L_0$", "L0").replace("$L$", "L")


def statuses(runs: list[Run]) -> str:
    """How the runs ended, counted."""
    found = [run.summary["status"] for run in runs]
    return ", ".join(f"{found.count(status)} {status}" for status in sorted(set(found)))


def interval(values: list[float]) -> str:
    """Median (least to greatest)."""
    return f"{np.median(values):.2g} ({min(values):.2g} to {max(values):.2g})"


def bench() -> str:
    """The ratios that `artbp-bench` measured, and on what."""
    machine = json.loads((RESULTS / "bench" / "machine.json").read_text(encoding="utf-8"))
    where = f"{machine['device']}, {machine['threads']} thread, torch {machine['torch']}, Numba {machine['numba']}"
    table = (RESULTS / "bench" / "table.md").read_text(encoding="utf-8").strip()
    return f"`{machine['command']}` on {machine['date']}: {where}.\n\n{table}"


def ablations() -> str:
    """What each device of the fused engine is worth."""
    return (RESULTS / "bench" / "ablations.md").read_text(encoding="utf-8").strip()


def diagnosis_synthetic() -> str:
    """What `artbp-diagnose` measured on influence balancing."""
    return diagnosis("synthetic")


def diagnosis_ptb() -> str:
    """What `artbp-diagnose` measured at a trained model."""
    return diagnosis("ptb")


def diagnosis(name: str) -> str:
    """Facts of a checkpoint, and its methods over lengths and at equal memory."""
    folder = RESULTS / "diagnose" / name
    table, facts = pd.read_csv(folder / "methods.csv"), pd.read_csv(folder / "checkpoint.csv").iloc[0]
    enough = "within" if facts["window_enough"] else "beyond"
    lines = [
        f"`{facts['command']}`: T = {facts['steps']} steps × {facts['streams']} streams. Doubling the window changes "
        f"the gradient by {facts['window_change']:.2g} of its length, {enough} the bound, "
        f"{facts['window_bound']:.2g}. Unseen: share in segments too rare to be among {table['draws'].max()} draws.",
        "",
        f"| method | squared bias (range) | of it lasting | variance | predicted (unseen) | updates to match | κ | "
        f"sharing cost at B = {facts['run_batch_size']} | stored: mean, exact, peak | recomputed |",
        "| --- |" + " --- |" * 9,
    ]
    for comparison, title in (("length", "over lengths"), ("equal memory", "at equal memory")):
        lines.append(f"| **{title}** |" + " |" * 9)
        lines += [diagnosed(row) for _, row in table[table["comparison"] == comparison].iterrows()]
    return "\n".join(lines)


def diagnosed(row: pd.Series) -> str:
    """A method's line."""
    random = row["variance"] > 0
    unbiased = random and row["reweight"]
    rare = f"{within(row, 'predicted')} ({row['predicted_rare']:.0%})" if unbiased else ""
    cells = [
        said(row),
        within(row, "bias2"),
        "" if random else within(row, "bias2_lasting"),
        within(row, "variance") if random else "0",
        rare,
        within(row, "updates_to_match"),
        within(row, "kappa"),
        sharing_cost(row),
        f"{row['stored_mean']:.0f}, {row['stored_mean_theory']:.0f}, {row['stored_peak']:.0f}",
        f"{row['recomputed']:.1%}",
    ]
    return "| " + " | ".join(cells) + " |"


def within(row: pd.Series, column: str) -> str:
    """A value and its interval; nothing where there is none."""
    value, low, high = (row[column + end] for end in ("", "_low", "_high"))
    return "" if np.isnan(value) else f"{value:.3g} ({low:.2g} to {high:.2g})"


BLOCKS = {
    Path("README.md"): (influence_balancing, learning_rates, ptb_tier1, ptb_tier2),
    Path("docs/engines.md"): (bench, ablations),
    RESULTS / "diagnose" / "README.md": (diagnosis_synthetic, diagnosis_ptb),
}


def main() -> None:
    """Rewrites the marked blocks."""
    for path, makers in BLOCKS.items():
        text = path.read_text(encoding="utf-8")
        for make in makers:
            name = make.__name__
            block = f"<!-- numbers: {name} -->\n{make()}\n<!-- end -->"
            text, count = re.subn(
                rf"<!-- numbers: {name} -->.*?<!-- end -->", lambda _, b=block: b, text, flags=re.DOTALL
            )
            if count != 1:
                raise SystemExit(f"{path} has {count} blocks for {name}, not one")
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
