"""The influence of earlier states on a loss against the lag between them, which decides which schedule is right."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from artbp_exp.methods.influence import squared_influence
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.losses import has_target
from artbp_exp.training.gradient import Gradients


def influence_by_lag(
    model: RecurrentModel, task: Task, *, lags: int, losses: int, rng: np.random.Generator
) -> pd.DataFrame:
    """‖∂ℓ_t/∂s_{t−k}‖ for k = 0 … `lags`: root mean square over losses t, and its 95 % bootstrap interval.

    The columns are those of `influence.csv`: lag (steps), influence, low, high. See `squared_influence`.
    """
    late = has_target(task.window(0, task.steps)[1]).any(1).nonzero()[:, 0]
    if 0 < len(late) < task.steps and lags >= int(late[-1]):  # few losses, or none, have so long a history
        lags = int(late.float().median())
    table = squared_influence(model, task, lags=lags, losses=losses)
    return root_mean_square(table, np.arange(table.shape[1]), rng)


def root_mean_square(table: np.ndarray, lags: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """The root of the mean over rows of squares at each lag, with its 95 % bootstrap interval, as `influence.csv`."""
    draws = table[rng.integers(len(table), size=(500, len(table)))].mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5], axis=0)
    columns = {"influence": table.mean(axis=0), "low": low, "high": high}
    return pd.DataFrame({"lag": lags, **{name: np.sqrt(values) for name, values in columns.items()}})


def window_change(model: RecurrentModel, task: Task) -> float:
    """How much the gradient of the last quarter's losses changes when the steps that it sees are doubled.

    ‖g(T steps) − g(T/2 steps)‖ / ‖g(T steps)‖: where it is near 0, T steps give the true gradient.
    """
    long, short = _last_quarter(model, task, 0), _last_quarter(model, task, task.steps // 2)
    size = sum(float(g.square().sum()) for g in long.values())
    off = sum(float((long[name] - short[name]).square().sum()) for name in long)
    return float(np.sqrt(off / size)) if size else 0.0


def _last_quarter(model: RecurrentModel, task: Task, begin: int) -> Gradients:
    inputs, targets = task.window(0, task.steps)
    state: Any = model.init_state(task.batch_size)
    with torch.no_grad():
        for row in model.encode(inputs[:begin]).unbind(0) if begin else ():
            _, state = model.step(row, state)
    outputs = []
    for row in model.encode(inputs[begin:]).unbind(0):
        output, state = model.step(row, state)
        outputs.append(output)
    last = task.steps // 4
    loss = task.loss(model.decode(torch.stack(outputs[-last:])), targets[-last:])
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, materialize_grads=True), strict=True))
