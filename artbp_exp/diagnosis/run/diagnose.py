"""The whole diagnosis: influence, bias, variance, memory and advice, as tables."""

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artbp_exp import checks
from artbp_exp.diagnosis.clock import Clock
from artbp_exp.diagnosis.comparisons import with_updates_to_match
from artbp_exp.diagnosis.influence import influence_by_lag, window_change
from artbp_exp.diagnosis.run.advice import advice
from artbp_exp.diagnosis.run.checkpoint import Checkpoint, load, of_run
from artbp_exp.diagnosis.run.grid import methods, normal
from artbp_exp.diagnosis.run.rows import LEAST_STARTS, Candidate, Effort, affordable, candidates, key, measured
from artbp_exp.diagnosis.run.streams import streams
from artbp_exp.diagnosis.systematic_bias import Systematic, systematic_bias, with_systematic_bias
from artbp_exp.errors import UserError
from artbp_exp.files import writing
from artbp_exp.run_config import RunConfig
from artbp_exp.verification.oracle import full_bptt

REMEDY = "name another folder with diagnose.out=…"

WINDOW_BOUND = 1e-3
"""Share of ‖g‖ that doubling the window may change where no method draws, so that there is no standard error."""
LEAST_LOSSES = 2
INFLUENCE, STREAMS = 0.1, 0.3
"""Shares of the time left that following influence, and further streams, may take."""


def diagnose(config: RunConfig, own: Mapping[str, Any], *, out: Path, command: str) -> str:
    """Measures as `own`, the settings of `diagnose`, says; prints as it goes. Returns the advice.

    Writes `influence.csv`, `methods.csv`, `checkpoint.csv` (with `command`) and `advice.txt` into the folder `out`.
    """
    draws = checks.whole("diagnose.draws", own["draws"], at_least=3)
    starts = checks.whole("diagnose.starts", own["starts"], at_least=LEAST_STARTS)
    lags = checks.whole("diagnose.lags", own["lags"], at_least=1)
    losses = checks.whole("diagnose.losses", own["losses"], at_least=LEAST_LOSSES)
    if lags >= checks.whole("diagnose.steps", own["steps"], at_least=8):
        raise UserError(f"diagnose.lags={lags} must be below diagnose.steps={own['steps']}; take fewer lags")
    budget = own["budget"]
    clock = Clock(None if budget is None else checks.number("diagnose.budget", budget, above=0))
    config, run_method = of_run(config, own)
    grid, left_out = methods(own, kept=config.method.get("memory"), run=run_method)
    checkpoint = load(config, own)
    model, task = checkpoint.model, checkpoint.task
    for reason in left_out:
        print(reason)
    several = candidates(grid, checkpoint, config)
    window = 0.0 if checkpoint.whole else window_change(model, task)
    _introduce(checkpoint, window)
    began = time.perf_counter()
    full = full_bptt(model, task)
    each = (time.perf_counter() - began) * lags / task.steps
    followed = clock.affords(losses, losses * each, least=LEAST_LOSSES, of=INFLUENCE)
    influence = influence_by_lag(
        model, task, lags=min(lags, task.steps - 1), losses=followed, rng=np.random.default_rng(config.seed)
    )
    _write(out / "influence.csv", influence)
    squared_norm = sum(float(g.double().square().sum()) for g in full.gradient.values())
    lasting = _systematic(checkpoint, config, several, clock)
    effort = affordable(several, checkpoint, full, clock, draws=draws, starts=starts)
    print(_plan(effort, len(several), draws), flush=True)
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    reached = 0
    for one, row in measured(several, checkpoint, full, effort, clock, seed=config.seed):
        reached += 1
        if row is None:
            continue
        rows[key(one.settings)] = row
        listed = [{"comparison": comparison, **rows[key(m)]} for comparison, m in grid if key(m) in rows]
        table = with_systematic_bias(pd.DataFrame(listed), lasting, squared_norm)
        table = with_updates_to_match(table, task.steps).drop(columns="unbiased")
        # written as it grows, since measuring can take long
        _write(out / "methods.csv", table)
    facts = {
        "steps": task.steps,
        "streams": task.batch_size,
        "bias_streams": lasting.places,
        "gradient_norm": squared_norm**0.5,
        "common2": lasting.common / squared_norm,
        **window_verdict(window, table),
        "carry_state": task.carry_state,
        "run_carry_state": checkpoint.run_carries,
        "run_batch_size": checkpoint.batch_size,
        "method_memory": config.method.get("memory"),
        "start": checkpoint.start,
        "starts": effort.starts,
        **run_facts(run_method),
        "command": command,
    }
    _write(out / "checkpoint.csv", pd.DataFrame([facts]))
    less = {
        "draws": (effort.draws, draws), "places": (effort.starts, starts), "losses": (followed, losses),
        "streams": (lasting.places, checkpoint.wide.batch_size), "settings": (reached, len(several)),
    }  # fmt: skip
    text = advice(table, influence, pd.Series(facts)) + _shortened(less, budget)
    with writing(out, REMEDY):
        (out / "advice.txt").write_text(text, encoding="utf-8")
    if not facts["window_enough"]:
        print(
            f"warning: diagnose.steps={task.steps} is too short for its gradient to be the true one: doubling the "
            f"window changes {window:.2g} of it, more than the bound {facts['window_bound']:.2g}; take twice as many",
            file=sys.stderr,
        )
    return text


def _plan(effort: Effort, settings: int, draws: int) -> str:
    """What is to come, and how long it takes."""
    more = f"; {draws} draws would take {effort.whole:.0f} s" if effort.draws < draws else ""
    return (
        f"measuring {settings} settings, those that draw their cuts on {effort.draws} draws each and from "
        f"{effort.starts} places: about {effort.seconds:.0f} s{more}"
    )


def _shortened(less: Mapping[str, tuple[int, int]], budget: float | None) -> str:
    """What `diagnose.budget` had no time for; nothing if it had."""
    found = [f"{done} of {wanted} {what}" for what, (done, wanted) in less.items() if done < wanted]
    if not found:
        return ""
    return (
        f"diagnose.budget={budget:g} had time for {', '.join(found)}: intervals are wider than they would be; a larger "
        f"one, or null, narrows them\n"
    )


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


def _write(path: Path, table: pd.DataFrame) -> None:
    with writing(path.parent, REMEDY):
        table.to_csv(path, index=False)


def _systematic(checkpoint: Checkpoint, config: RunConfig, several: Sequence[Candidate], clock: Clock) -> Systematic:
    """Truncated BPTT's systematic bias by length, over streams; none where there is a single one."""
    lengths = sorted({int(one.settings["length"]) for one in several if one.settings["name"] == "tbptt"})
    wide, rng = checkpoint.wide, np.random.default_rng(config.seed)
    if wide.batch_size == 1 or not lengths:
        return Systematic(places=wide.batch_size)
    with closing(streams(checkpoint.model, wide, engine=config.engine)) as places:
        return systematic_bias(places, lengths, rng=rng, enough=clock.share(STREAMS))
