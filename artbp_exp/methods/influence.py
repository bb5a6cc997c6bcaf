"""The influence of earlier states on a loss, lag by lag: what decides how long a segment should be."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artbp_exp.autograd import detach, leaves, map_state
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.losses import has_target


def squared_influence(model: RecurrentModel, task: Task, *, lags: int, losses: int) -> NDArray[np.float64]:
    """‖∂ℓ_t/∂s_{t−k}‖² for k = 0 … `lags`, the mean square over streams of each loss t: (losses, lags + 1).

    The parts of a state, h and c of an LSTM, count as separate coordinates, as in ε_t (docs/method.md). The t,
    `losses` of them, are spread evenly over the steps with a loss after the first `lags`; UserError if there is none.
    """
    inputs, targets = task.window(0, task.steps)
    late = lags + np.flatnonzero(has_target(targets[lags:]).any(1).cpu().numpy())
    if late.size == 0:
        raise UserError(f"no loss falls beyond lag {lags} in {task.steps} steps; take more steps or fewer lags")
    times = np.unique(late[np.linspace(0, late.size - 1, losses).astype(int)])
    state: Any = model.init_state(task.batch_size)
    states = []
    with torch.no_grad():
        for row in model.encode(inputs).unbind(0):
            states.append(detach(state))
            _, state = model.step(row, state)
    table = np.zeros((times.size, lags + 1))
    for index, t in enumerate(times):
        begin = int(t) - lags
        state = map_state(lambda tensor: tensor.clone().requires_grad_(), states[begin])
        passed: list[list[Tensor]] = []
        encoded = model.encode(inputs[begin : t + 1]).detach()
        for row in encoded.unbind(0):
            # separate tensors: the h of an LSTM is made from its c, but a path through h is not one through c
            state = map_state(lambda tensor: tensor.view_as(tensor), state)
            passed.append(leaves(state))
            output, state = model.step(row, state)
        loss = task.loss(model.decode(output[None]), targets[t : t + 1])
        flat = [leaf for group in passed[1:] for leaf in group]
        found = torch.autograd.grad(loss, flat, retain_graph=True, allow_unused=True)
        each = len(passed[0])
        table[index, 0] = sum(float(g.square().sum()) for g in _read(loss, leaves(state)))
        for k in range(1, lags + 1):
            group = found[(lags - k) * each : (lags - k + 1) * each]
            table[index, k] = sum(float(g.square().sum()) for g in group if g is not None)
    return table * task.batch_size  # the loss averages over streams; this is the mean square for one stream


def _read(loss: Tensor, state: list[Tensor]) -> list[Tensor]:
    """∂ℓ_t/∂s_t, part by part: what reaches one part goes no further to the parts that it was made from."""
    kept: list[Tensor] = []

    def stop(gradient: Tensor) -> Tensor:
        kept.append(gradient)
        return torch.zeros_like(gradient)

    for part in state:
        part.register_hook(stop)
    torch.autograd.grad(loss, state, allow_unused=True)
    return kept
