"""The whole diagnosis: tables, figures, and a word of advice."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from artbp_exp import checks
from artbp_exp.diagnosis.checkpoint import load
from artbp_exp.diagnosis.grid import methods
from artbp_exp.diagnosis.influence import decay, window_change
from artbp_exp.diagnosis.measure import measure
from artbp_exp.errors import UserError
from artbp_exp.figures.common import save
from artbp_exp.figures.diagnosis import CAPTIONS, bias_and_variance, influence, variance_and_cost
from artbp_exp.verification.oracle import full_bptt


def diagnose(settings: Mapping[str, Any], own: Mapping[str, Any], *, command: str) -> Path:
    """Measures as `own` says; prints as it goes, and writes CSVs and figures.

    Returns:
        The folder written to.

    Raises:
        UserError: a setting is wrong, or the folder cannot be written.
    """
    out = Path(checks.text("diagnose.out", own["out"]))
    draws = checks.whole("diagnose.draws", own["draws"], at_least=3)
    starts = checks.whole("diagnose.starts", own["starts"], at_least=2)
    grid = methods(own)
    model, task = load(settings, own)
    lags = checks.whole("diagnose.lags", own["lags"], at_least=1)
    if lags >= task.steps:
        raise UserError(f"diagnose.lags={lags} must be below diagnose.steps={task.steps}")
    rng = np.random.default_rng(settings["seed"])
    change = window_change(model, task)
    print(
        f"{task.steps} steps × {task.batch_size} streams; doubling the window that the last quarter's losses see "
        f"changes their gradient by {change:.2g} of its length"
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        falls = decay(
            model, task, lags=lags, losses=checks.whole("diagnose.losses", own["losses"], at_least=2), rng=rng
        )
        falls.to_csv(out / "influence.csv", index=False)
        _grid(out, grid, settings, model, task, draws, starts)
        table = pd.read_csv(out / "methods.csv")
        size = float(sum(float(g.double().square().sum()) for g in full_bptt(model, task).gradient.values())) ** 0.5
        facts = {"steps": task.steps, "streams": task.batch_size, "gradient_norm": size, "window_change": change}
        pd.DataFrame([facts | {"command": command}]).to_csv(out / "checkpoint.csv", index=False)
        figures = {
            "bias_and_variance": bias_and_variance(table),
            "variance_and_cost": variance_and_cost(table),
            "influence": influence(falls, table),
        }
        for name, figure in figures.items():
            save(figure, out / name)
            text = f"{out.name}: {CAPTIONS[name]} Made by `{command}`.\n"
            (out / f"{name}.txt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write to {out}: {error.strerror}; name another folder with diagnose.out=…") from error
    print(advice(table))
    return out


def _grid(
    out: Path,
    grid: list[tuple[str, dict[str, Any]]],
    settings: Mapping[str, Any],
    model: Any,
    task: Any,
    draws: int,
    starts: int,
) -> None:
    full = full_bptt(model, task)
    rows = []
    for comparison, method in grid:
        row = measure(
            model, task, full, method, engine=settings["engine"], draws=draws, starts=starts, seed=settings["seed"]
        )
        rows.append({"comparison": comparison, **row})
        print(
            f"{comparison:<13} {said(row):<34} bias² {row['bias2']:9.2e}  variance {row['variance']:9.2e}"
            f" (predicted {row['predicted']:9.2e})  cosine {row['cosine']:6.3f}  stored {row['stored_mean']:6.1f}"
            f" (peak {row['stored_peak']})",
            flush=True,
        )
        # written as it grows: a measurement can take long
        pd.DataFrame(rows).to_csv(out / "methods.csv", index=False)


def said(row: Any) -> str:
    """A method in a few characters."""
    if row["method"] == "tbptt":
        return f"truncated L = {row['length']:g}"
    tail = f"α = {row['alpha']:g}" if row["schedule"] == "paper" else "constant"
    return f"{'ARTBP' if row['reweight'] else 'not reweighted'} L0 = {row['length']:g} {tail}"


def advice(table: pd.DataFrame) -> str:
    """Which schedule has the least variance at equal memory, and whether the next differs beyond its interval."""
    equal = table[(table["comparison"] == "equal memory") & (table["method"] == "artbp")].sort_values("variance")
    if len(equal) < 2:
        return "nothing to compare at equal memory"
    best, second = (equal.iloc[index] for index in (0, 1))
    beyond = "beyond" if best["variance_high"] < second["variance_low"] else "within"
    return (
        f"at equal memory ({best['stored_mean_theory']:.0f} stored steps) the least variance has {said(best)}: "
        f"{best['variance']:.3g}; the next, {said(second)}, {second['variance']:.3g}, is {beyond} their intervals"
    )
