"""Measures one method at a checkpoint."""

from collections import Counter
from typing import Any

import numpy as np
from torch import Tensor

from artbp_exp import registry
from artbp_exp.diagnosis.bootstrap import measures, products
from artbp_exp.diagnosis.crossings import predict
from artbp_exp.diagnosis.memory import mean_stored
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.verification.exact import promises_no_bias
from artbp_exp.verification.oracle import Full
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
    seed: int,
) -> dict[str, Any]:
    """One row: bias, variance (measured and predicted), cosine, κ, and what the method costs.

    Args:
        model: at θ.
        task: the stretch.
        full: full BPTT over it.
        method: settings.
        engine: as in a run.
        draws: gradients; a method that draws nothing takes two.
        starts: beginnings at which the predicted variance is worked out.
        seed: of the cuts.
    """
    scheme = registry.build("method", method)
    rng = np.random.default_rng(seed)
    certain = not ((h := scheme.hazard(np.arange(1, task.steps))) * (1 - h)).any()
    probe = Probe(engine=engine, model=model, task=task, scheme=scheme)
    lengths: Counter[int] = Counter()
    vectors: list[Tensor] = []
    drawn = probe.drawn(rng, 2 if certain else draws)
    for gradients in drawn:
        vectors.append(flat(gradients).to(next(model.parameters()).dtype))
        lengths.update(drawn.lengths)
    truth = flat(full.gradient).to(vectors[0].dtype)
    row = measures(products(vectors, truth), rng=None if certain else rng)
    if certain:
        # what is left is the rounding of two equal gradients
        row |= {f"variance{end}": 0.0 for end in ("", "_low", "_high")}
        row |= {f"snr{end}": float("inf") for end in ("", "_low", "_high")}
    size = float(truth.double().square().sum())
    row |= {"predicted": float("nan"), "predicted_low": float("nan"), "predicted_high": float("nan")}
    row["kappa"] = float("nan")
    if promises_no_bias(scheme, task.steps) and not certain:
        found = predict(model, full, scheme, streams=task.batch_size, starts=starts, rng=rng)
        row |= {
            "predicted": found.variance / size,
            "predicted_low": found.low / size,
            "predicted_high": found.high / size,
            "kappa": found.kappa,
        }
    steps = sum(length * count for length, count in lengths.items())
    stored = sum(length * (length - 1) / 2 * count for length, count in lengths.items())
    return {
        **{key: method.get(key) for key in ("length", "schedule", "alpha")},
        "reweight": scheme.reweight,
        "method": method["name"],
        "draws": len(vectors),
        **row,
        "steps_computed": 2 * task.steps,  # each once forward and once backward, whatever the lengths
        "mean_length": steps / lengths.total(),
        "stored_mean": stored / steps,
        "stored_mean_theory": mean_stored(scheme),
        "stored_peak": max(lengths),
    }
