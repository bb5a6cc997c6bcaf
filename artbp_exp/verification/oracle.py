"""What an estimate is held against: full BPTT by plain autograd, and what a cut would take away.

Written without the project's estimators, engines and carry factors, so that a mistake there cannot hide here.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import State, detach, leaves, map_state
from artbp_exp.methods.base import Boundary
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.theory.exact_variance import Crossings
from artbp_exp.training.gradient import Gradients
from artbp_exp.truncation.scheme import Floats


@dataclass(frozen=True, kw_only=True)
class Full:
    """Full BPTT over a task's steps 1 … T.

    Attributes:
        gradient: g = Σ_t δ_t ∂F/∂θ.
        states: s_0 … s_{T−1}, detached.
        arriving: ε_1 … ε_{T−1}: the gradient that arrives at s_t from the losses after step t.
        inputs: encoded inputs are the model's business; these are the task's, (T, B, …).
    """

    gradient: Gradients
    states: list[State]
    arriving: list[State]
    inputs: Tensor


def full_bptt(model: RecurrentModel, task: Task) -> Full:
    """Runs over all steps of `task` on one tape and differentiates the sum of the losses.

    Of a model that truncates its own gradient it is the gradient without that.
    """
    truncate, model.truncate = model.truncate, None
    try:
        return _full_bptt(model, task)
    finally:
        model.truncate = truncate


def _full_bptt(model: RecurrentModel, task: Task) -> Full:
    inputs, targets = task.window(0, task.steps)
    state: Any = model.init_state(task.batch_size)
    total = None
    states, passed_on = [], []
    for t in range(task.steps):
        states.append(detach(state))
        output, state = model.step(model.encode(inputs[t : t + 1])[0], state)
        value = task.loss(model.decode(output[None]), targets[t : t + 1])
        total = value if total is None else total + value
        if t + 1 < task.steps:
            # a tensor of its own, so that what arrives from later losses is told from the loss that reads s_t
            state = map_state(lambda tensor: tensor.view_as(tensor), state)
            passed_on.append(state)
    assert total is not None
    names, parameters = zip(*model.named_parameters(), strict=True)
    carried = [leaf for state in passed_on for leaf in leaves(state)]
    found = torch.autograd.grad(total, [*parameters, *carried], materialize_grads=True)
    filled = [one.detach() for one in found]  # the zeros of some versions of torch require a gradient
    gradient = dict(zip(names, filled, strict=False))
    remaining = iter(filled[len(names) :])
    arriving = [map_state(lambda leaf: next(remaining), state) for state in passed_on]
    return Full(gradient=gradient, states=states, arriving=arriving, inputs=inputs)


def short_of(full: Full, boundary: Boundary, model: RecurrentModel) -> Full:
    """ε_t − b_t in the place of ε_t: what a cut takes away where a boundary's guess stands there (`baseline`)."""

    def less(t: int, arriving: State) -> State:
        state = full.states[t]
        following = model.encode(full.inputs[t : t + 1])[0].flatten(1).detach()
        guesses = iter(boundary.guess((state, following) if boundary.context else state))
        return map_state(lambda leaf: leaf - next(guesses) / leaf.shape[0], arriving)

    return replace(full, arriving=[less(t, arriving) for t, arriving in enumerate(full.arriving, 1)])


def crossing(
    model: RecurrentModel, full: Full, start: int, stops: Sequence[int], factors: Sequence[float]
) -> Iterator[Tensor]:
    """The gradients ε_t G_t that would cross a cut after step t, in a segment that begins after step `start`.

    G_t = Φ_t + m_{t−1} J_t G_{t−1} is the forward sensitivity with carry factors (docs/method.md); ε_t G_t is had by
    running ε_t backwards through the segment.

    The segment's first step is a + 1, a = `start`. Yields for each t of `stops`, ascending, a < t < T, the gradient of
    all parameters: one vector, float64. `factors` are m after the segment's first, second, … step.
    """
    state = detach(full.states[start])
    parameters = list(model.parameters())
    wanted = set(stops)
    encoded = model.encode(full.inputs[start : max(stops)])
    for lag in range(1, max(stops) - start + 1):
        _, state = model.step(encoded[lag - 1], state)
        if start + lag in wanted:
            found = torch.autograd.grad(
                leaves(state),
                parameters,
                leaves(full.arriving[start + lag - 1]),
                retain_graph=True,
                materialize_grads=True,
            )
            yield torch.cat([gradient.detach().flatten().double() for gradient in found])
        state = _multiplied(state, float(factors[lag - 1]) if lag - 1 < len(factors) else 1.0)


def squared_crossings(model: RecurrentModel, full: Full, factors: Sequence[float] | np.ndarray) -> Crossings:
    """The squared norms of `crossing`, all streams together, as the formulas in `artbp_exp.theory` ask for them."""
    multipliers = [float(factor) for factor in factors]

    def squares(start: int, stops: Sequence[int]) -> tuple[Floats, Floats]:
        found = np.array([float(one.square().sum()) for one in crossing(model, full, start, stops, multipliers)])
        return found, found

    return squares


def compensated(
    model: RecurrentModel, task: Task, pattern: Sequence[int], factors: Callable[[int], Sequence[float]]
) -> Gradients:
    """ARTBP's recursion with prescribed cuts: Σ_t δ_t ∂F/∂θ, δ_t = ∂ℓ_t/∂s_t + m_t δ_{t+1} ∂F/∂s, m = 0 at a cut.

    `pattern` has the lengths of the segments in order; `factors` maps the step at which one begins to m after its
    first, second, … step.
    """
    named = dict(model.named_parameters())
    sums = {name: torch.zeros_like(p, requires_grad=False) for name, p in named.items()}
    state: Any = model.init_state(task.batch_size)
    start = 0
    for length in pattern:
        inputs, targets = task.window(start, start + length)
        state = detach(state) if task.carry_state else model.init_state(task.batch_size)
        outputs: list[Tensor] = []
        multipliers = factors(start)
        for lag, row in enumerate(model.encode(inputs).unbind(0), 1):
            output, state = model.step(row, state)
            outputs.append(output)
            if lag < length:
                state = _multiplied(state, float(multipliers[lag - 1]))
        total = task.loss(model.decode(torch.stack(outputs)), targets)
        found = torch.autograd.grad(total, list(named.values()), materialize_grads=True)
        for name, gradient in zip(named, found, strict=True):
            sums[name] += gradient.detach()
        start += length
    return sums


def _multiplied(state: Any, factor: float) -> Any:
    """The same state, whose gradient is multiplied by `factor` on its way back from later steps only."""
    state = map_state(lambda tensor: tensor.view_as(tensor), state)
    for leaf in leaves(state):
        if leaf.requires_grad:
            leaf.register_hook(lambda gradient: factor * gradient)
    return state
