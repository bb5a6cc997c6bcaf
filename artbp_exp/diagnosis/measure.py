"""Measures one method at a checkpoint."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from artbp_exp import registry
from artbp_exp.diagnosis.bootstrap import certain, measures, products
from artbp_exp.diagnosis.cut_offsets import shifted
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.theory.predicted_variance import predicted_variance
from artbp_exp.theory.stored_steps import drawn_stored_steps
from artbp_exp.theory.unbiased import is_unbiased
from artbp_exp.verification.oracle import Full, squared_crossings
from artbp_exp.verification.probe import Probe
from artbp_exp.verification.stretch import flat


def measure(
    model: RecurrentModel,
    task: Task,
    full: Full,
    method: dict[str, Any],
    *,
    engine: str,
    draws: int,
    starts: int,
    seed: Sequence[int],
    batch_size: int,
) -> dict[str, Any]:
    """One row: bias, variance (measured and predicted), cosine, κ, and what the method costs.

    Args:
        model: at θ.
        task: the stretch.
        full: full BPTT over it.
        method: settings.
        engine: as in a run.
        draws: gradients; a method that draws nothing takes one for each offset of its cuts instead.
        starts: beginnings at which the predicted variance is worked out.
        seed: of the cuts.
        batch_size: streams B at which κ is turned into a factor.
    """
    scheme = registry.build("method", method)
    rng = np.random.default_rng(seed)
    random = bool(((hazard := scheme.hazard(np.arange(1, task.steps))) * (1 - hazard)).any())
    if random or scheme.length is None:
        measured, count = scheme, draws if random else 1
    else:
        measured = shifted(scheme, task.steps)
        count = len(measured.firsts)
    probe = Probe(engine=engine, model=model, task=task, scheme=measured)
    drawn = [flat(gradients).to(next(model.parameters()).dtype) for gradients in probe.drawn(rng, count)]
    truth = flat(full.gradient).to(drawn[0].dtype)
    found = products(drawn, truth)
    row = measures(found, rng=rng) if random else certain(found)
    nothing = float("nan")
    row |= dict.fromkeys(("predicted", "predicted_low", "predicted_high", "predicted_se", "predicted_rare"), nothing)
    row |= {f"{name}{end}": nothing for name in ("kappa", "sharing_cost") for end in ("", "_low", "_high")}
    if random and is_unbiased(scheme, task.steps):
        streams, factors = task.batch_size, scheme.factors(task.steps)
        crossings = squared_crossings(model, full, factors, streams=streams)
        formula = predicted_variance(
            scheme, task.steps, crossings, streams=streams, starts=starts, draws=draws, rng=rng
        )
        row |= {
            "predicted": formula.variance / found.size,
            "predicted_low": formula.low / found.size,
            "predicted_high": formula.high / found.size,
            "predicted_se": formula.error / found.size,
            "predicted_rare": formula.rare,
        }
        for end, kappa in (("", formula.kappa), ("_low", formula.kappa_low), ("_high", formula.kappa_high)):
            # κ is a ratio of squares, only its estimate can be below 0 (np.maximum hands nan on)
            row |= {f"kappa{end}": kappa, f"sharing_cost{end}": float(1 + (batch_size - 1) * np.maximum(kappa, 0))}
    return {
        **{key: method.get(key) for key in ("length", "schedule", "alpha")},
        "reweight": scheme.reweight,
        "every": method.get("every", 1),
        "method": method["name"],
        "draws": len(drawn),
        **row,
        **drawn_stored_steps(scheme, rng),
    }
