"""The whole diagnosis: what is measured, in tables."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from artbp_exp import checks
from artbp_exp.diagnosis.averaging import with_updates
from artbp_exp.diagnosis.checkpoint import Checkpoint, load
from artbp_exp.diagnosis.grid import methods
from artbp_exp.diagnosis.influence import decay, window_change
from artbp_exp.diagnosis.measure import measure
from artbp_exp.diagnosis.of_run import of_run
from artbp_exp.diagnosis.systematic_bias import NAME, lasting_bias
from artbp_exp.diagnosis.words import line
from artbp_exp.diagnosis.write import ADVICE, write
from artbp_exp.errors import UserError
from artbp_exp.runs.files import try_writing
from artbp_exp.verification.oracle import Full, full_bptt

WINDOW_BOUND = 1e-3
"""Of ‖g‖: what doubling the window may change where no method draws, so that there is no standard error."""

KEYS = ("method", "length", "schedule", "alpha", "reweight", "every")
"""Of the run's own method, in `checkpoint.csv` as `run_method`, …"""


def diagnose(settings: Mapping[str, Any], own: Mapping[str, Any], *, command: str) -> Path:
    """Measures as `own` says; prints as it goes, and writes CSVs, figures and advice.

    Returns:
        The folder written to.

    Raises:
        UserError: a setting is wrong, or the folder cannot be written.
    """
    out = Path(checks.text("diagnose.out", own["out"]))
    try:
        try_writing(out)
    except OSError as error:
        raise _unwritable(out, error) from error
    draws = checks.whole("diagnose.draws", own["draws"], at_least=3)
    starts = checks.whole("diagnose.starts", own["starts"], at_least=4)
    lags = checks.whole("diagnose.lags", own["lags"], at_least=1)
    losses = checks.whole("diagnose.losses", own["losses"], at_least=2)
    if lags >= checks.whole("diagnose.steps", own["steps"], at_least=8):
        raise UserError(f"diagnose.lags={lags} must be below diagnose.steps={own['steps']}")
    settings = of_run(settings, own)
    grid, left_out = methods(own, kept=settings["method"]["memory"], run=settings["run_method"])
    checkpoint = load(settings, own)
    model, task = checkpoint.model, checkpoint.task
    for reason in left_out:
        print(reason)
    rng = np.random.default_rng(settings["seed"])
    window = window_change(model, task)
    print(
        f"{task.steps} steps × {task.batch_size} streams; doubling the window that the last quarter's losses see "
        f"changes their gradient by {window:.2g} of its length"
    )
    kept_on = "the state is carried across cuts, as full BPTT does"
    print(kept_on if checkpoint.run_carries else f"{kept_on}, although task.carry_state=false in the run")
    try:
        falls = decay(model, task, lags=lags, losses=losses, rng=rng)
        falls.to_csv(out / "influence.csv", index=False)
        full = full_bptt(model, task)
        table = _grid(out, grid, settings, checkpoint, full, draws, starts)
        table = with_updates(_with_lasting_bias(table, checkpoint, settings, full), task.steps)
        table.to_csv(out / "methods.csv", index=False)
        facts = {
            "steps": task.steps,
            "streams": task.batch_size,
            "bias_streams": checkpoint.wide.batch_size,
            "gradient_norm": _size(full) ** 0.5,
            **verdict(window, table),
            "carry_state": task.carry_state,
            "run_carry_state": checkpoint.run_carries,
            "run_batch_size": checkpoint.batch_size,
            "method_memory": settings["method"]["memory"],
            "start": own["start"] + own["warm_up"],
            "starts": starts,
            **{f"run_{key}": settings["run_method"][key] for key in KEYS},
            "command": command,
        }
        pd.DataFrame([facts]).to_csv(out / "checkpoint.csv", index=False)
        write(out, table, falls, pd.DataFrame([facts]))
    except OSError as error:
        raise _unwritable(out, error) from error
    if not facts["window_enough"]:
        print(
            f"warning: diagnose.steps={task.steps} is too short to call its gradient the truth: doubling the window "
            f"changes {window:.2g} of it, more than the bound {facts['window_bound']:.2g}; take twice as many",
            file=sys.stderr,
        )
    print((out / ADVICE).read_text(encoding="utf-8"), end="")
    return out


def _unwritable(out: Path, error: OSError) -> UserError:
    return UserError(f"cannot write to {out}: {error.strerror}; name another folder with diagnose.out=…")


def _grid(
    out: Path,
    grid: list[tuple[str, dict[str, Any]]],
    settings: Mapping[str, Any],
    checkpoint: Checkpoint,
    full: Full,
    draws: int,
    starts: int,
) -> pd.DataFrame:
    """Measures each distinct setting once, with random numbers of its own, and shows it in each comparison it is in."""
    task = checkpoint.task
    uses: dict[tuple[Any, ...], list[str]] = {}
    for comparison, method in grid:
        uses.setdefault(tuple(sorted(method.items())), []).append(comparison)
    drawing = len({tuple(sorted(method.items())) for _, method in grid if method["name"] != "tbptt"})
    print(
        f"measuring {len(uses)} settings, {drawing} of them on {draws} draws of the cuts over {task.steps} steps each: "
        f"minutes for small models, longer for large ones"
    )
    distinct: dict[tuple[Any, ...], dict[str, Any]] = {}
    rows: list[dict[str, Any]] = []
    # on a terminal only
    with tqdm(total=len(uses), unit=" settings", leave=False, disable=not sys.stderr.isatty()) as shown:
        for comparison, method in grid:
            key = tuple(sorted(method.items()))
            if key not in distinct:
                distinct[key] = measure(
                    checkpoint.model,
                    task,
                    full,
                    method,
                    engine=settings["engine"],
                    draws=draws,
                    starts=starts,
                    seed=(settings["seed"], len(distinct)),
                    batch_size=checkpoint.batch_size,
                )
                tqdm.write(line(uses[key], distinct[key]))
                sys.stdout.flush()
                shown.update()
            rows.append({"comparison": comparison, **distinct[key]})
            # written as it grows: a measurement can take long
            pd.DataFrame(rows).to_csv(out / "methods.csv", index=False)
    return pd.DataFrame(rows)


def _with_lasting_bias(
    table: pd.DataFrame, checkpoint: Checkpoint, settings: Mapping[str, Any], full: Full
) -> pd.DataFrame:
    """Adds `bias2_lasting` of truncated BPTT, relative to ‖g‖²; with a single stream its whole squared bias."""
    rows = table["method"] == "tbptt"
    ends = ("", "_low", "_high")
    if checkpoint.wide.batch_size == 1 or not rows.any():
        return table.assign(**{NAME + end: table[f"bias2{end}"].where(rows) for end in ends})
    lengths = sorted({int(length) for length in table["length"][rows]})
    rng = np.random.default_rng(settings["seed"])
    found = lasting_bias(checkpoint.model, checkpoint.wide, lengths, engine=settings["engine"], rng=rng)
    size = _size(full)
    for end in ends:
        values = {length: one[NAME + end] / size for length, one in found.items()}
        table = table.assign(**{NAME + end: table["length"].map(values).where(rows)})
    return table


def _size(full: Full) -> float:
    """‖g‖²."""
    return sum(float(g.double().square().sum()) for g in full.gradient.values())


def verdict(window: float, table: pd.DataFrame) -> dict[str, Any]:
    """Whether the stretch is long enough: what doubling the window changes is below all that was measured.

    The bound is the least standard error, √(variance/draws)/‖g‖, of a mean gradient among the methods that draw.
    """
    drawn = table[table["variance"] > 0]
    bound = float(np.sqrt(drawn["variance"] / drawn["draws"]).min()) if len(drawn) else WINDOW_BOUND
    return {"window_change": window, "window_bound": bound, "window_enough": bool(window <= bound)}
