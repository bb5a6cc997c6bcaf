"""Which length and which exponent to take, in words, from the three tables alone."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from artbp_exp.diagnosis.comparisons import RARE_LIMIT, Compared, compare_schedules, variance_estimate
from artbp_exp.diagnosis.words import count, number, said
from artbp_exp.theory.influence_decay import InfluenceDecay, fit_decay, least_length

HEAD = "which method.length and method.alpha to take (variance over ‖g‖², with 95 % intervals in brackets):"
WIDTH = 1.96  # of a 95 % interval, in standard errors


def advice(table: pd.DataFrame, influence: pd.DataFrame, facts: Any) -> str:
    """Answers each question in a few lines, from the three CSVs; docs/method.md says how to read them."""
    decay = fit_decay(influence)
    shortest = least_length(decay.flattest) if decay is not None else float("inf")
    lines = [
        HEAD,
        *_run(table, facts),
        *_exponents(table, facts, shortest),
        *_lengths(table, facts),
        *_constant(table, decay, shortest),
        *_limits(facts),
    ]
    return "".join(f"{line}\n" for line in lines)


def _run(table: pd.DataFrame, facts: Any) -> Iterator[str]:
    if facts["run_method"] == "bptt":
        return
    rows = table[table["method"] == facts["run_method"]]
    known = (
        ("length", "schedule", "alpha", "reweight", "every")
        if facts["run_method"] == "artbp"
        else ("length", "schedule")
    )
    for key in known:
        if not pd.isna(facts[f"run_{key}"]):
            rows = rows[rows[key] == facts[f"run_{key}"]]
    if rows.empty:
        return
    row = rows.iloc[0]
    bias = _share(row, "bias2") if row["bias2_low"] > 0 else f"indistinguishable from 0, below {row['bias2_high']:.2g}"
    spread = _interval(row) if row["variance"] > 0 else "none"
    yield f"this run: {said(row)}: squared bias {bias} of ‖g‖², variance {spread}"


def _exponents(table: pd.DataFrame, facts: Any, shortest: float) -> Iterator[str]:
    alpha = _alpha(table, facts)
    found = {} if alpha is None else compare_schedules(table, alpha, shortest=shortest)
    if not any(one.less or one.more or one.same for one in found.values()):
        yield "exponent: nothing to compare; add other values to diagnose.alphas, or time with diagnose.budget"
        return
    for name, one in found.items():
        length = name == "equal length"
        at = f"L0 = {one.base['length']:g}" if length else f"{one.base['stored_mean_theory']:.0f} stored steps"
        yield f"exponent at {name} ({at}): {_verdict(one, length)}"
        groups = (("configured", [one.base]), ("less", one.less), ("inconclusive", one.same), ("more", one.more))
        for said_of, rows in groups:
            for row in rows:
                cost = f"{number(row['stored_mean_theory'])} stored" if length else f"L0 = {row['length']:g}"
                yield f"    {said_of + ':':<16}{_schedule(row)}, {cost}: variance {_interval(row)}"


def _alpha(table: pd.DataFrame, facts: Any) -> float | None:
    """The exponent of the run, else of the comparison over lengths."""
    if facts["run_method"] == "artbp" and facts["run_schedule"] == "paper":
        return float(facts["run_alpha"])
    # the row that the run's own method adds comes last
    for comparison in ("length", "equal length"):
        rows = table[(table["comparison"] == comparison) & (table["schedule"] == "paper")]
        if len(rows):
            return float(rows["alpha"].iloc[0])
    return None


def _verdict(one: Compared, length: bool) -> str:
    base = _schedule(one.base)
    if not (one.less or one.more or one.same):
        return f"no other schedule to compare with {base}"
    if not one.less:
        return f"{'none has reliably less variance' if one.more else 'no exponent differs reliably'}: keep {base}"
    names = ", ".join(_schedule(row) for row in one.less)
    verb = "have" if len(one.less) > 1 else "has"
    what = "any of them" if len(one.less) > 1 else "it"
    with_it = "" if length else ", with its L0"
    stored = [row["stored_mean_theory"] for row in one.less]
    if length and max(stored) > one.base["stored_mean_theory"]:
        what += " only where memory is no limit, since more steps are stored"
    return f"{names} {verb} reliably less variance than {base}: take {what}{with_it}"


def _schedule(row: Any) -> str:
    return f"α = {row['alpha']:g}" if row["schedule"] == "paper" else "constant hazard"


def _interval(row: Any) -> str:
    value, error = variance_estimate(row)
    return f"{number(value)} ({number(max(value - WIDTH * error, 0))} to {number(value + WIDTH * error)})"


def _share(row: Any, name: str) -> str:
    return f"{row[name]:.2g} ({row[f'{name}_low']:.2g} to {row[f'{name}_high']:.2g})"


def _lengths(table: pd.DataFrame, facts: Any) -> Iterator[str]:
    over = table[table["comparison"] == "length"]
    artbp = (over["method"] == "artbp") & (over["schedule"] == "paper") & over["reweight"] & (over["every"] == 1)
    # where every cut is certain ARTBP is truncated BPTT, without variance or prediction
    paper = over[artbp & over["predicted"].notna()].sort_values("length")
    truncated = over[over["method"] == "tbptt"].drop_duplicates("length").sort_values("length")
    if len(truncated):
        yield from _longer(paper)
    for _, kept in truncated.iterrows():
        head = f"    L = {kept['length']:g}: truncated BPTT has"
        if kept["bias2_lasting_low"] > 0:
            line = f"{head} a systematic squared bias of {_percent(kept)} of ‖g‖²"
        else:
            line = f"{head} no systematic bias distinguishable from 0, at most {_one(kept, '_high')} of ‖g‖²"
        yield f"{line}{_of_common(kept, facts)}"
        same = paper[(paper["length"] == kept["length"]) & paper["updates_to_match"].notna()]
        if len(same):
            yield f"        {_updates(same.iloc[0])}"


def _longer(paper: pd.DataFrame) -> Iterator[str]:
    """Whether ARTBP's variance falls with its mean length, at the exponent with the most lengths."""
    same = paper[paper["alpha"] == paper["alpha"].mode().iloc[0]] if len(paper) else paper
    if len(same) > 1:
        short, long = same.iloc[0], same.iloc[-1]
        values, errors = zip(variance_estimate(short), variance_estimate(long), strict=True)
        if values[0] - values[1] > WIDTH * np.hypot(*errors):
            yield "length: with a longer one ARTBP's variance falls and its memory grows: take the longest that fits"
            yield (
                f"    {_schedule(short)}, L0 = {short['length']:g} to {long['length']:g}: variance {_interval(short)} "
                f"to {_interval(long)}, stored steps {number(short['stored_mean_theory'])} to "
                f"{number(long['stored_mean_theory'])}"
            )
            return
    yield "length:"


def _of_common(kept: Any, facts: Any) -> str:
    """The same, as a share of what the gradients of all streams have in common, where that was measured."""
    common = facts.get("common2", np.nan)
    if np.isnan(common):
        return ""
    if common <= 0:
        return "; the gradients of the streams have nothing in common that shows"
    end = "" if kept["bias2_lasting_low"] > 0 else "_high"
    return f", {100 * max(kept[f'bias2_lasting{end}'], 0) / common:.2g} % of what the streams' gradients have in common"


def _percent(kept: Any) -> str:
    low, high = (_one(kept, end) for end in ("_low", "_high"))
    return f"{_one(kept, '')} ({low.removesuffix(' %')} to {high})"


def _one(kept: Any, end: str) -> str:
    share = 100 * max(kept[f"bias2_lasting{end}"], 0)
    return f"{float(f'{share:.2g}'):g} %"


def _updates(row: Any) -> str:
    point, low, high = (row[f"updates_to_match{end}"] for end in ("", "_low", "_high"))
    if np.isinf(high):
        return f"{said(row)} averages to a smaller error after {count(low)} updates or more, perhaps never"
    return (
        f"{said(row)} averages to a smaller error after about {count(point)} updates ({count(low)} to "
        f"{count(high)}), and to a greater one before"
    )


def _constant(table: pd.DataFrame, decay: InfluenceDecay | None, shortest: float) -> Iterator[str]:
    rows = table[(table["schedule"] == "constant") & table["reweight"]].sort_values(["length", "every"])
    rows = rows.drop_duplicates(["length", "every"])
    if decay is None:
        yield "constant hazard: too few lags to say how influence decays; take more diagnose.lags before using one"
    elif np.isinf(least_length(decay.ratio)):
        yield "constant hazard: do not use one: influence does not decay at long lags; use the paper's schedule"
    else:
        yield (
            f"constant hazard: influence decays by {_fall(decay.ratio)} a step at long lags, so it needs L0 above "
            f"{_length(least_length(decay.ratio))}; the paper's schedule has no such limit"
        )
    if decay is not None:
        yield (
            f"    lags {decay.first} to {decay.last}; by thirds of them {_fall(decay.flattest)} to "
            f"{_fall(decay.steepest)}, L0 above {_length(least_length(decay.steepest))} to {_length(shortest)}"
        )
    # with cuts k steps apart the schedule has mean L0/k in blocks of k steps, and influence decays as r^k a block
    needed = rows["every"].map(lambda k: np.inf if decay is None else k * least_length(decay.flattest**k))
    short = ~(rows["length"] > needed)
    rare = ~short & (rows["predicted_rare"] > RARE_LIMIT)
    reasons = ((short, "too short"), (rare, "its variance lies in segments too rare to be drawn"))
    for some, why in reasons:
        if some.any():
            pairs = zip(rows["length"][some], rows["every"][some], strict=True)
            each = ", ".join(f"{length:g}" if k == 1 else f"{length:g} every {k:g}" for length, k in pairs)
            yield f"    do not take it at L0 = {each}, whatever was measured: {why}"


def _fall(ratio: float) -> str:
    return f"{100 * (1 - ratio):.2g} %"


def _length(value: float) -> str:
    return "∞" if np.isinf(value) else f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _limits(facts: Any) -> Iterator[str]:
    if not facts["window_enough"]:
        yield (
            f"warning: a window of {facts['steps']} steps is too short for its gradient to be the true one; double "
            f"diagnose.steps before following this advice"
        )
    yield (
        f"measured on one window of {facts['steps']:g} steps × {facts['streams']:g} streams from step "
        f"{facts['start']:g}, predicted from {facts['starts']:g} places, at one θ: repeat with another "
        f"diagnose.start=… and keep what stays the same"
    )
