"""Drawn, not enumerated: the mean gradient over many draws, and the variance that docs/method.md derives."""

import numpy as np
import pytest
import torch

from artbp_exp.truncation import enumerate_cuts
from tests.cells import STREAMS, Case, make_case
from tests.gradients import estimated_gradient, flat, full_gradient
from tests.schemes import build_scheme


def draw_segments(scheme, steps: int, rng: np.random.Generator):
    done = 0
    while done < steps:
        segment = scheme.segment(scheme.draw(rng, steps - done))
        done += segment.length
        yield segment


@pytest.mark.parametrize("cell", ["lstm", "linear"])
@pytest.mark.parametrize("schedule", [{"alpha": 6}, {"schedule": "constant"}])
def test_mean_over_draws_is_near_the_full_gradient(cell: str, schedule: dict) -> None:
    steps, draws = 20, 300
    scheme = build_scheme({"name": "artbp", "length": 8, **schedule})
    case, rng = make_case(cell, steps), np.random.default_rng(0)
    wanted = flat(full_gradient(case))
    found = torch.stack([flat(estimated_gradient(case, draw_segments(scheme, steps, rng))) for _ in range(draws)])
    # along the full gradient: one number, so one interval
    projected = found @ (wanted / wanted.norm())
    assert projected.std() > 0
    assert abs(projected.mean() - wanted.norm()) < 4 * projected.std() / draws**0.5


def linear_variance(case: Case, scheme, steps: int) -> float:
    """Σ_t E[c_t/(1 − c_t)·(ε_t G_t)²] for the linear system, over all patterns of the draws before t."""
    size = case.model.get_buffer("drive").numel()
    transition, drive = case.model.get_buffer("transition").numpy(), case.model.get_buffer("drive").numpy()
    state, theta, errors = np.ones(size), case.model.get_parameter("theta").item(), []
    for t in range(steps):
        state = transition @ state + theta * drive
        errors.append((state[0] - case.targets[t].numpy()).sum() / STREAMS)
    arriving = [np.zeros(size)]  # ε_t, from the last step backwards
    for error in reversed(errors[1:]):
        arriving.append((arriving[-1] + error * np.eye(size)[0]) @ transition)
    arriving.reverse()
    hazard = scheme.hazard(np.arange(1, steps + 1))
    total = 0.0
    for t in range(1, steps):
        for lengths, probability in enumerate_cuts(scheme, t):
            sensitivity = drive
            for lag in range(1, lengths[-1]):
                sensitivity = drive + transition @ sensitivity / (1 - hazard[lag - 1])
            c = hazard[lengths[-1] - 1]
            total += probability * c / (1 - c) * (arriving[t - 1] @ sensitivity) ** 2
    return total


@pytest.mark.parametrize("schedule", [{"alpha": 4}, {"schedule": "constant"}])
def test_variance_is_the_odds_of_each_cut_times_what_crosses_it(schedule: dict) -> None:
    steps = 8
    scheme = build_scheme({"name": "artbp", "length": 2.5, **schedule})
    case = make_case("linear", steps)
    full = full_gradient(case)["theta"].item()
    variance = 0.0
    for lengths, probability in enumerate_cuts(scheme, steps):
        estimate = estimated_gradient(case, map(scheme.segment, lengths))["theta"].item()
        variance += probability * (estimate - full) ** 2
    assert variance == pytest.approx(linear_variance(case, scheme, steps), rel=1e-12)
