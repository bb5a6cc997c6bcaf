"""What a user's loop does not hand out, from its gradients alone: what crosses a cut, and how far influence reaches."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from artbp_exp.autograd import leaves, map_state
from artbp_exp.diagnosis.influence import root_mean_square
from artbp_exp.diagnosis.measure import vector
from artbp_exp.theory.exact_variance import Crossings
from artbp_exp.theory.predicted_variance import lag_edges
from artbp_exp.truncation import Scheme, Segment
from artbp_exp.truncation.scheme import Floats
from artbp_exp.verification.user_loop.segment_loss import UserLoop, plain

PLACES = 6
"""Beginnings of segments from which the variance is predicted."""
STATES, LAGS = 4, 24
"""How many states' influence is followed, and over how many lags."""


def crossings(loop: UserLoop, scheme: Scheme) -> Crossings:
    """‖ε_t G_t‖², what a cut after step t takes away, as the difference of two gradients of the user's code.

    In a segment from step a on, with the scheme's factors before step t and 1 after it, let the factor after step t
    be 1, and then 0: the gradients differ by ε_t G_t (docs/method.md).
    """

    def squares(start: int, stops: Sequence[int]) -> tuple[Floats, Floats]:
        before = [plain(start)] if start else []
        found = []
        for stop in stops:
            factors = np.ones(loop.steps - start - 1)
            factors[: stop - start - 1] = scheme.factors(stop - start - 1)
            gradients = []
            for factor in (1.0, 0.0):
                factors[stop - start - 1] = factor
                segment = Segment(length=loop.steps - start, factors=factors.copy())
                gradients.append(vector(loop, [*before, segment]))
            found.append(float((gradients[0] - gradients[1]).square().sum()))
        return np.array(found), np.array(found)

    return squares


def passes_to_predict(steps: int) -> int:
    """That predicting one variance takes over the window."""
    return 2 * PLACES * len(lag_edges(steps - 1))


def influence(loop: UserLoop, longest: int, rng: np.random.Generator) -> pd.DataFrame:
    """‖∂ℓ_t/∂s_{t−k}‖ for some lags k ≤ `longest`, as in `influence.csv`; empty where the loop hands on no state.

    The losses up to step t, as a function of the state before the segment, less those up to step t − 1.
    """
    lags = np.unique(np.linspace(1, longest, LAGS).astype(int))
    places = np.unique(np.linspace(0, loop.steps - longest, STATES).astype(int))
    table = np.zeros((places.size, lags.size))
    for row, place in enumerate(places.tolist()):
        known: dict[int, list[Tensor]] = {}
        for column, lag in enumerate(lags.tolist()):
            for length in {lag - 1, lag} - set(known):
                known[length] = _through(loop, place, length)
            pairs = zip(known[lag], known[lag - 1] or map(torch.zeros_like, known[lag]), strict=True)
            table[row, column] = sum(float((now - before).square().sum()) for now, before in pairs)
    for parameter in loop.parameters.values():
        parameter.grad = None
    loop.snapshot.put_back()
    if not table.any():
        return pd.DataFrame(columns=["lag", "influence", "low", "high"])
    return root_mean_square(table, lags, rng)


def _through(loop: UserLoop, start: int, length: int) -> list[Tensor]:
    """The gradient of the losses of `length` steps with respect to the state before them; a pass that ends there."""
    if length == 0:
        return []
    carry = loop.begin()
    if start:
        carry = loop.advance(0, plain(start), carry)[1]
    begins = map_state(
        lambda t: t.detach().clone().requires_grad_(t.is_floating_point() or t.is_complex()), carry.state
    )
    reached = [leaf for leaf in leaves(begins) if leaf.requires_grad]
    loss, _ = loop.loss_of(start, plain(length), begins)
    if not reached or not isinstance(loss, Tensor) or not loss.requires_grad:
        return [torch.zeros_like(leaf) for leaf in reached]
    return [one.detach() for one in torch.autograd.grad(loss, reached, materialize_grads=True)]
