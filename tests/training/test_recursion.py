"""One pattern of cuts at a time: `estimate` against ARTBP's recursion with the Jacobians written out in NumPy."""

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from artbp_exp.truncation import Segment
from tests.cells import STREAMS, make_case
from tests.gradients import estimated_gradient

STEPS = 9

lengths = st.lists(st.integers(1, 5), min_size=1, max_size=STEPS).map(lambda ls: cut_to(ls, STEPS))


def cut_to(wanted: list[int], steps: int) -> list[int]:
    """Lengths that add up to `steps`: those wanted, cut off or filled up at the end."""
    done: list[int] = []
    for length in [*wanted, steps]:
        if sum(done) < steps:
            done.append(min(length, steps - sum(done)))
    return done


def random_segments(sizes: list[int], seed: int) -> list[Segment]:
    rng = np.random.default_rng(seed)
    return [Segment(length=n, factors=rng.uniform(0.2, 3.0, n - 1)) for n in sizes]


def factor_after(segments: list[Segment]) -> list[float]:
    """What multiplies δ_{t+1} ∂F/∂s on its way into s_t, for every t: 0 across a cut."""
    return [factor for segment in segments for factor in [*segment.factors.tolist(), 0.0]]


def close(found: torch.Tensor, wanted: np.ndarray) -> bool:
    return bool(np.linalg.norm(found.numpy() - wanted) <= 1e-12 * np.linalg.norm(wanted))


@settings(deadline=None, max_examples=40, derandomize=True)
@given(sizes=lengths, seed=st.integers(0, 1000))
def test_tanh_network(sizes: list[int], seed: int) -> None:
    case = make_case("rnn", STEPS, seed=seed)
    segments = random_segments(sizes, seed)
    found = estimated_gradient(case, segments)

    p = {name: tensor.detach().numpy() for name, tensor in case.model.named_parameters()}
    x, y = case.inputs.numpy(), case.targets.numpy()
    hidden = [np.zeros((STREAMS, p["recurrent"].shape[0]))]
    for t in range(STEPS):
        hidden.append(np.tanh(p["table"][x[t]] + p["bias"] + hidden[-1] @ p["recurrent"].T))
    wanted = {name: np.zeros_like(value) for name, value in p.items()}
    factors = factor_after(segments)
    arriving = np.zeros_like(hidden[0])  # δ_{t+1} ∂F/∂s(x_{t+1}, s_t)
    for t in reversed(range(STEPS)):
        state = hidden[t + 1]
        scores = np.exp(state @ p["readout"].T + p["readout_bias"])
        error = (scores / scores.sum(1, keepdims=True) - np.eye(scores.shape[1])[y[t]]) / STREAMS
        wanted["readout"] += error.T @ state
        wanted["readout_bias"] += error.sum(0)
        delta = error @ p["readout"] + factors[t] * arriving
        before = delta * (1 - state**2)
        wanted["recurrent"] += before.T @ hidden[t]
        wanted["bias"] += before.sum(0)
        np.add.at(wanted["table"], x[t], before)
        arriving = before @ p["recurrent"]
    assert all(close(found[name], value) for name, value in wanted.items())


@settings(deadline=None, max_examples=40, derandomize=True)
@given(sizes=lengths, seed=st.integers(0, 1000))
def test_linear_system(sizes: list[int], seed: int) -> None:
    case = make_case("linear", STEPS, seed=seed)
    segments = random_segments(sizes, seed)
    found = estimated_gradient(case, segments)["theta"]

    size = case.model.get_buffer("drive").numel()
    transition = 0.5 * (np.eye(size) + np.eye(size, k=1))
    drive = np.where(np.arange(size) < 2, 1.0, -1.0)
    theta = case.model.get_parameter("theta").item()
    state, firsts = np.ones(size), []
    for _ in range(STEPS):
        state = transition @ state + theta * drive
        firsts.append(state[0])
    wanted, arriving = 0.0, np.zeros(size)
    for t in reversed(range(STEPS)):
        delta = factor_after(segments)[t] * arriving
        delta[0] += (firsts[t] - case.targets[t].numpy()).sum() / STREAMS
        wanted += delta @ drive
        arriving = delta @ transition
    assert abs(found.item() - wanted) <= 1e-12 * abs(wanted)
