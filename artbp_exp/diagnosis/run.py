"""The whole diagnosis: influence, bias, variance, memory and advice, as tables."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from artbp_exp import checks
from artbp_exp.diagnosis.advice import advice
from artbp_exp.diagnosis.checkpoint import Checkpoint, load, of_run
from artbp_exp.diagnosis.comparisons import with_updates_to_match
from artbp_exp.diagnosis.grid import COMPARED, Grid, Settings, methods, normal
from artbp_exp.diagnosis.influence import influence_by_lag, window_change
from artbp_exp.diagnosis.measure import measure_at
from artbp_exp.diagnosis.systematic_bias import systematic_bias
from artbp_exp.diagnosis.words import line
from artbp_exp.errors import UserError
from artbp_exp.files import writing
from artbp_exp.run_config import RunConfig
from artbp_exp.verification.oracle import Full, full_bptt

REMEDY = "name another folder with diagnose.out=…"

WINDOW_BOUND = 1e-3
"""Share of ‖g‖ that doubling the window may change where no method draws, so that there is no standard error."""


def diagnose(config: RunConfig, own: Mapping[str, Any], *, out: Path, command: str) -> str:
    """Measures as `own` says; prints as it goes, and writes `influence.csv`, `methods.csv`, `checkpoint.csv`.

    Args:
        config: of a run, as composed.
        own: of `diagnose`.
        out: folder for the tables; it exists.
        command: that asked for them.

    Returns:
        The advice, which `advice.txt` holds too.

    Raises:
        UserError: a setting is wrong, or the tables cannot be written.
    """
    draws = checks.whole("diagnose.draws", own["draws"], at_least=3)
    starts = checks.whole("diagnose.starts", own["starts"], at_least=4)
    lags = checks.whole("diagnose.lags", own["lags"], at_least=1)
    losses = checks.whole("diagnose.losses", own["losses"], at_least=2)
    if lags >= checks.whole("diagnose.steps", own["steps"], at_least=8):
        raise UserError(f"diagnose.lags={lags} must be below diagnose.steps={own['steps']}; take fewer lags")
    config, run_method = of_run(config, own)
    grid, left_out = methods(own, kept=config.method.get("memory"), run=run_method)
    checkpoint = load(config, own)
    model, task = checkpoint.model, checkpoint.task
    for reason in left_out:
        print(reason)
    rng = np.random.default_rng(config.seed)
    window = 0.0 if checkpoint.whole else window_change(model, task)
    _introduce(checkpoint, window)
    influence = influence_by_lag(model, task, lags=min(lags, task.steps - 1), losses=losses, rng=rng)
    _write(out / "influence.csv", influence)
    full = full_bptt(model, task)
    table = _measure_all(out, grid, config, checkpoint, full, draws, starts)
    table = _with_systematic_bias(table, checkpoint, config, full)
    table = with_updates_to_match(table, task.steps).drop(columns="unbiased")
    _write(out / "methods.csv", table)
    facts = {
        "steps": task.steps,
        "streams": task.batch_size,
        "bias_streams": checkpoint.wide.batch_size,
        "gradient_norm": _squared(full) ** 0.5,
        **window_verdict(window, table),
        "carry_state": task.carry_state,
        "run_carry_state": checkpoint.run_carries,
        "run_batch_size": checkpoint.batch_size,
        "method_memory": config.method.get("memory"),
        "start": checkpoint.start,
        "starts": starts,
        **run_facts(run_method),
        "command": command,
    }
    _write(out / "checkpoint.csv", pd.DataFrame([facts]))
    text = advice(table, influence, pd.Series(facts))
    with writing(out, REMEDY):
        (out / "advice.txt").write_text(text, encoding="utf-8")
    if not facts["window_enough"]:
        print(
            f"warning: diagnose.steps={task.steps} is too short for its gradient to be the true one: doubling the "
            f"window changes {window:.2g} of it, more than the bound {facts['window_bound']:.2g}; take twice as many",
            file=sys.stderr,
        )
    return text


def window_verdict(change: float, table: pd.DataFrame) -> dict[str, Any]:
    """Whether the window is long enough: doubling it changes the gradient by less than anything that was measured.

    The bound is the least standard error √(variance/draws)/‖g‖ of a mean gradient among the methods that draw.
    """
    drawn = table[table["variance"] > 0]
    bound = float(np.sqrt(drawn["variance"] / drawn["draws"]).min()) if len(drawn) else WINDOW_BOUND
    return {"window_change": change, "window_bound": bound, "window_enough": bool(change <= bound)}


def run_facts(method: Mapping[str, Any]) -> dict[str, Any]:
    """The run's own method as `checkpoint.csv` has it: `run_method`, `run_length`, …"""
    found = normal(method)
    return {
        "run_method": found["name"],
        "run_length": method.get("length"),
        "run_schedule": found.get("schedule", found.get("phase")),
        "run_alpha": method["alpha"] if found.get("schedule") == "paper" else None,
        "run_reweight": found.get("reweight", True),
        "run_every": found.get("every", 1),
    }


def _introduce(checkpoint: Checkpoint, window: float) -> None:
    task = checkpoint.task
    print(
        f"{task.steps} steps × {task.batch_size} streams; doubling the window that the last quarter's losses see "
        f"changes their gradient by {window:.2g} of its norm"
    )
    carried = "the state is carried across cuts, as full BPTT does"
    print(carried if checkpoint.run_carries else f"{carried}, although task.carry_state=false in the run")


def _measure_all(
    out: Path, grid: Grid, config: RunConfig, checkpoint: Checkpoint, full: Full, draws: int, starts: int
) -> pd.DataFrame:
    """Measures each distinct method once, with random numbers of its own, and lists it in each of its comparisons."""
    uses: dict[tuple[Any, ...], list[str]] = {}
    for comparison, method in grid:
        uses.setdefault(_key(method), []).append(comparison)
    drawing = len({_key(method) for _, method in grid if method["name"] != "tbptt"})
    print(
        f"measuring {len(uses)} settings, {drawing} of them on {draws} draws of the cuts over "
        f"{checkpoint.task.steps} steps each: minutes for small models, longer for large ones"
    )
    distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
    left_out: set[tuple[Any, ...]] = set()
    rows: list[dict[str, Any]] = []
    # the bar is for a terminal only
    with tqdm(total=len(uses), unit=" settings", leave=False, disable=not sys.stderr.isatty()) as bar:
        for comparison, method in grid:
            key = _key(method)
            if key in left_out:
                continue
            if key not in distinct:
                rng = np.random.default_rng((config.seed, len(distinct)))
                try:
                    distinct[key] = measure_at(
                        checkpoint, full, method, engine=config.engine, draws=draws, starts=starts, rng=rng
                    )
                except UserError as error:
                    if method["name"] in COMPARED:
                        raise
                    where = f" at length {method['length']:g}" if "length" in method else ""
                    tqdm.write(f"left out: {method['name']}{where}: {error}")
                    left_out.add(key)
                    continue
                tqdm.write(line(uses[key], distinct[key]))
                sys.stdout.flush()
                bar.update()
            rows.append({"comparison": comparison, **distinct[key]})
            # written as it grows, since measuring can take long
            _write(out / "methods.csv", pd.DataFrame(rows).drop(columns="unbiased"))
    return pd.DataFrame(rows)


def _write(path: Path, table: pd.DataFrame) -> None:
    with writing(path.parent, REMEDY):
        table.to_csv(path, index=False)


def _key(method: Settings) -> tuple[Any, ...]:
    return tuple(sorted(method.items()))


def _with_systematic_bias(table: pd.DataFrame, checkpoint: Checkpoint, config: RunConfig, full: Full) -> pd.DataFrame:
    """Adds `bias2_lasting` of truncated BPTT, relative to ‖g‖²; with a single stream it is the whole squared bias."""
    rows = table["method"] == "tbptt"
    ends = ("", "_low", "_high")
    if checkpoint.wide.batch_size == 1 or not rows.any():
        return table.assign(**{f"bias2_lasting{end}": table[f"bias2{end}"].where(rows) for end in ends})
    lengths = sorted({int(length) for length in table["length"][rows]})
    rng = np.random.default_rng(config.seed)
    found = systematic_bias(checkpoint.model, checkpoint.wide, lengths, engine=config.engine, rng=rng)
    for end in ends:
        values = {length: one[f"bias2{end}"] / _squared(full) for length, one in found.items()}
        table = table.assign(**{f"bias2_lasting{end}": table["length"].map(values).where(rows)})
    return table


def _squared(full: Full) -> float:
    """‖g‖²."""
    return sum(float(g.double().square().sum()) for g in full.gradient.values())
