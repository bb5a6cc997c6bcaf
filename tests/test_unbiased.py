"""The heart: over all cut patterns with their probabilities, ARTBP's mean gradient is full BPTT's, exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import METHODS, UNBIASED, make_model
from torch import nn

from artbp_exp import registry
from artbp_exp.estimators import estimate
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import enumerate_cuts

T, B, V = 8, 2, 5


class Nested(RecurrentModel):
    """A user's own cell, its state a nested tuple: ((fast, slow), (memory,))."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.inner = nn.GRUCell(V, 3)
        self.mix = nn.Linear(6, 3)
        self.read = nn.Linear(3, V)

    def init_state(self, batch_size):
        zeros = self.mix.weight.new_zeros(batch_size, 3)
        return (zeros, zeros + 0.1), (zeros - 0.1,)

    def encode(self, inputs):
        return nn.functional.one_hot(inputs, V).to(self.mix.weight.dtype)

    def step(self, inputs, state):
        (fast, slow), (memory,) = state
        fast = self.inner(inputs, fast)
        slow = torch.tanh(self.mix(torch.cat([fast, slow], dim=1)))
        memory = 0.9 * memory + 0.1 * slow * fast
        return memory + slow, ((fast, slow), (memory,))

    def decode(self, outputs):
        return self.read(outputs)


MODELS = [*registry.names("model"), "nested"]


def problem(name):
    """Model, loss, inputs and targets of a short sequence in float64."""
    rng = torch.Generator().manual_seed(11)
    if name == "linear":
        targets = torch.ones(T, B, dtype=torch.float64)
        return make_model(name), squares, torch.empty(T, B, 0, dtype=torch.float64), targets
    symbols = torch.randint(V, (T + 1, B), generator=rng)
    model = Nested().double() if name == "nested" else make_model(name, vocabulary=V)
    return model, cross_entropy, symbols[:-1], symbols[1:]


def squares(predictions, targets):
    return 0.5 * (predictions - targets).square().sum(0).mean()


def cross_entropy(predictions, targets):
    total = nn.functional.cross_entropy(predictions.flatten(0, 1), targets.flatten(), reduction="sum")
    return total / targets.shape[1]


def full_gradient(name):
    """Independent of the package's unrolling: a plain loop on the autograd tape."""
    model, loss, inputs, targets = problem(name)
    state, total = model.init_state(B), 0.0
    for t in range(T):
        output, state = model.step(model.encode(inputs[t : t + 1])[0], state)
        total = total + loss(model.decode(output[None]), targets[t : t + 1])
    gradients = torch.autograd.grad(total, list(model.parameters()))
    return dict(zip([n for n, _ in model.named_parameters()], gradients, strict=True))


def pattern_gradient(name, scheme, lengths, damage=lambda segment: segment, scale=lambda length: 1.0):
    """The gradient that training computes when the cuts fall as `lengths` say."""
    model, loss, inputs, targets = problem(name)
    state, start = model.init_state(B), 0
    total = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    for length in lengths:
        model.zero_grad()
        result = estimate(
            model=model,
            loss=loss,
            inputs=inputs[start : start + length],
            targets=targets[start : start + length],
            state=state,
            segment=damage(scheme.segment(length)),
        )
        state, start = result.state, start + length
        for n, p in model.named_parameters():
            total[n] += scale(length) * p.grad
    return total


def bias(name, settings, **broken):
    """Largest relative error of the mean gradient over the parameters."""
    scheme = registry.build("method", settings)
    mean = {}
    for lengths, probability in enumerate_cuts(scheme, T):
        if probability == 0:
            continue
        for n, gradient in pattern_gradient(name, scheme, lengths, **broken).items():
            mean[n] = mean.get(n, 0) + probability * gradient
    exact = full_gradient(name)
    return max(((mean[n] - exact[n]).norm() / exact[n].norm()).item() for n in exact)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", METHODS)
def test_mean_gradient_over_all_cut_patterns(name, method):
    found = bias(name, METHODS[method])
    if method in UNBIASED:
        assert found < 1e-12
    else:
        assert found > 1e-2


@pytest.mark.parametrize("name", MODELS)
def test_truncation_beyond_the_sequence_is_full_bptt(name):
    assert bias(name, {"name": "tbptt", "length": T}) < 1e-12
    assert bias(name, {"name": "tbptt", "length": T + 5}) < 1e-12


def shifted(segment):
    """The off-by-one of the authors' code: c(0), c(1), … in the place of c(1), c(2), …"""
    c0 = (4 - 1) / ((4 - 2) * 2.5)
    factors = np.concatenate([[1 / (1 - c0)], segment.factors])[: segment.length - 1]
    return replace(segment, factors=factors)


def capped(segment):
    """A silent cap on how far a gradient goes back."""
    return replace(segment, factors=np.where(np.arange(segment.length - 1) == 3, 0.0, segment.factors))


@pytest.mark.parametrize("name", ["lstm", "gru", "linear"])
def test_the_enumeration_catches_broken_schemes(name):
    artbp = METHODS["artbp-paper"]
    assert bias(name, artbp, damage=shifted) > 1e-2
    assert bias(name, artbp, damage=capped) > 1e-4
    assert bias(name, artbp, scale=lambda length: 2.5 / length) > 1e-2


def test_every_method_is_enumerated():
    assert {settings["name"] for settings in METHODS.values()} == set(registry.names("method"))


def test_recursion_written_out_by_hand():
    """δ_t = ∂ℓ_t/∂s_t + factor_t δ_{t+1} J, g = Σ δ_t ∂F/∂θ, for the linear system with random factors."""
    model, loss, inputs, targets = problem("linear")
    A, b, theta = model.transition.numpy(), model.drive.numpy(), model.theta.item()
    factors = np.random.default_rng(5).uniform(0.5, 3.0, T - 1)
    states = [np.ones(b.size)]
    for _ in range(T):
        states.append(A @ states[-1] + theta * b)
    delta, gradient = np.zeros(b.size), 0.0
    for t in range(T, 0, -1):
        delta = (factors[t - 1] * delta @ A) if t < T else np.zeros(b.size)
        delta = delta + (states[t][0] - 1) * np.eye(b.size)[0]
        gradient += delta @ b
    segment = replace(registry.build("method", {"name": "bptt"}).segment(T), factors=factors)
    estimate(model=model, loss=loss, inputs=inputs, targets=targets, state=model.init_state(B), segment=segment)
    assert model.theta.grad.item() == pytest.approx(gradient, rel=1e-13)
