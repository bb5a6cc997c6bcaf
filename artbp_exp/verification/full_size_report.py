"""Says what was found at full size without a draw: lag by lag, and with prescribed cuts."""

import time
from collections.abc import Mapping
from typing import Any

from artbp_exp.verification.lags import FACTOR_TOLERANCE, lag_by_lag
from artbp_exp.verification.prescribed import CEILING, TOLERANCE, prescribed
from artbp_exp.verification.subject import measured, prescribable

Row = dict[str, Any]


def without_draws(settings: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """Tries all lags and the prescribed cuts, and prints what was found.

    Args:
        settings: of a run.
        own: `verify`'s settings.

    Returns:
        Why the configuration is refuted, empty if it is not; rows of the table.
    """
    began = time.perf_counter()
    experiment = measured(settings)
    lags = lag_by_lag(experiment.scheme, limit=experiment.task.steps)
    probe = prescribable(settings, own)
    held = prescribed(probe)
    memory, task = probe.scheme.memory, probe.task
    kept = "method.memory=null" if memory is None else f"longest segment beyond method.memory={memory}"
    if memory is not None and max(max(one.pattern) for one in held) <= memory:
        kept = f"no segment beyond method.memory={memory}"
    most = f"; never more than {CEILING} steps" if task.steps == CEILING else ""
    print(
        f"\nprescribed at full size, no draws and no variance, lags 1 to {lags.count} ({lags.why}) and "
        f"{task.steps} steps × {task.batch_size} streams ({kept}{most}), engine {probe.engine}, in float64 "
        f"({time.perf_counter() - began:.0f} s)"
    )
    print(f"  lengths drawn with the hazard's probabilities: {'ok' if lags.misdrawn is None else 'WRONG'}")
    right = lags.wrong_from is None and lags.factor_error < FACTOR_TOLERANCE
    print(f"  factors, accumulated: relative error {lags.factor_error:.1e}   {'ok' if right else 'WRONG'}")
    rows: list[Row] = [
        {"check": "lengths at full size", "parameter": "all", "holds": lags.misdrawn is None},
        {"check": "factors at full size", "parameter": "all", "value": lags.factor_error, "holds": right},
    ]
    for one in held:
        name = max(one.off, key=lambda parameter: one.off[parameter])
        cuts = " + ".join(map(str, one.pattern)) if len(one.pattern) < 6 else f"{len(one.pattern)} segments"
        print(
            f"  {cuts} steps: off the compensated recursion by {one.off[name]:.1e} at most, of {name}   "
            f"{'ok' if one.reason is None else 'WRONG'}"
        )
        rows += [
            {
                "check": f"prescribed cuts, {cuts} steps",
                "parameter": parameter,
                "value": off,
                "holds": off < TOLERANCE and one.otherwise is None,
            }
            for parameter, off in one.off.items()
        ]
    reasons = [reason for reason in (lags.reason, *(one.reason for one in held)) if reason is not None]
    return reasons[:1], [{"ran": probe.engine, "computed_in": "float64", **row} for row in rows]
