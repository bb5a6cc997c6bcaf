"""PES on a quadratic, where smoothing changes no gradient: its interval has full BPTT's, its mistakes' have not."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.methods.base import Claim
from artbp_exp.methods.online.pes import PES
from artbp_exp.training.gradient import flat, gradient
from tests.methods.online.tiny import Tiny

DRAWS, MARGIN = 40, 4.0
"""Passes, and standard errors: P < 10⁻⁴ if the estimate is right."""

SETTINGS = {"particles": 40, "sigma": 0.1, "update_every": 2}


def standard_errors(tiny: Any, method: Any) -> tuple[float, float]:
    """How far the mean over draws is from full BPTT in standard errors, and one of these relative to the gradient."""
    rng = np.random.default_rng(0)
    passes = [
        flat(gradient(tiny.loop(method), (draw for _, draw in method.draws(tiny.steps, rng))).gradient).item()
        for _ in range(DRAWS)
    ]
    wanted, error = flat(tiny.full()).item(), float(np.std(passes, ddof=1)) / DRAWS**0.5
    return abs(float(np.mean(passes)) - wanted) / error, error / abs(wanted)


@pytest.mark.parametrize("name", ["pes", "pes_analytic"])
def test_the_interval_on_a_quadratic_has_the_full_gradient(name: str) -> None:
    tiny = Tiny("linear", steps=5)
    method = tiny.method(name=name, **SETTINGS)
    assert method.claim(5) is Claim.SMOOTHED
    off, error = standard_errors(tiny, method)
    assert off < MARGIN
    assert error < 0.1
    with pytest.raises(UserError, match=f"method={name} draws Gaussian numbers, so its outcomes cannot be enumerated"):
        tiny.mean(method)


class Forgetful(PES):
    """Weighs by this window's ε in the place of ξ: truncated evolution strategies."""

    def weigh(self, xi: Tensor, losses: Tensor) -> Tensor:
        return super().weigh(xi - self.before, losses)

    def advance(self, carry: Any, *data: Any, ends: bool) -> Any:
        self.before = carry["xi"]
        return super().advance(carry, *data, ends=ends)


class NotReset(PES):
    """ξ goes on where the state begins anew."""

    kept: Tensor | None = None

    def begin(self, batch_size: int) -> Any:
        found = super().begin(batch_size)
        return found if self.kept is None else found | {"xi": self.kept}

    def advance(self, carry: Any, *data: Any, ends: bool) -> Any:
        loss, found = super().advance(carry, *data, ends=ends)
        self.kept = found["xi"]
        return loss, found


class Unpaired(PES):
    """In every other window the pairs change places: a particle goes on with another's perturbations."""

    def advance(self, carry: Any, draw: Any, *data: Any, ends: bool) -> Any:
        loss, found = super().advance(carry, draw, *data, ends=ends)
        return loss, found | {"particles": found["particles"].flip(0)}


@pytest.mark.parametrize("broken", [Forgetful, Unpaired])
def test_mistakes_are_refuted(broken: type[PES]) -> None:
    tiny: Any = Tiny("linear", steps=5)
    off, _ = standard_errors(tiny, broken(model=tiny.model, task=tiny, **SETTINGS))
    assert off > MARGIN


def test_perturbations_that_are_not_forgotten_with_the_state_add_to_the_variance() -> None:
    tiny: Any = Tiny("linear", steps=5)
    right, wrong = (standard_errors(tiny, kind(model=tiny.model, task=tiny, **SETTINGS))[1] for kind in (PES, NotReset))
    assert wrong > 2 * right


def test_pairs_stay_opposite_and_particles_have_states_of_their_own() -> None:
    tiny = Tiny("linear", steps=6)
    method = tiny.method(name="pes", **SETTINGS)
    loop, carry = tiny.loop(method), method.begin(1)
    theta = tiny.model.get_parameter("theta")
    middle = tiny.model.init_state(1)
    for start, draw in method.draws(6, np.random.default_rng(0)):
        _, carry = loop.advance(start, draw, carry)
        for _ in range(2):
            middle = tiny.model.step(torch.empty(1, 0), middle)[1].detach()
        first, second = carry["particles"].chunk(2)
        assert torch.allclose(first + second, 2 * middle.expand_as(first))  # the system is linear in ε
        assert first.flatten(1).unique(dim=0).shape[0] == 20
    assert torch.equal(theta.detach(), torch.tensor(0.5, dtype=torch.float64))


@pytest.mark.parametrize("name", ["pes", "pes_analytic"])
def test_the_readout_has_its_ordinary_gradient(name: str) -> None:
    """With tiny perturbations it is that of full BPTT, to the order of σ, in a single pass with two particles."""
    tiny = Tiny("rnn", steps=4, streams=2, hidden=3)
    method = tiny.method(name=name, particles=2, sigma=1e-6, update_every=2)
    draws = [draw for _, draw in method.draws(4, np.random.default_rng(0))]
    found, full = gradient(tiny.loop(method), draws).gradient, tiny.full()
    for part in ("readout", "readout_bias"):
        assert torch.allclose(found[part], full[part], rtol=1e-4, atol=1e-6)


def test_analytic_is_exact_within_its_window() -> None:
    tiny = Tiny("rnn", steps=4, streams=2, hidden=3)
    method = tiny.method(name="pes_analytic", particles=2, update_every=4)
    draws = [draw for _, draw in method.draws(4, np.random.default_rng(0))]
    assert torch.allclose(flat(gradient(tiny.loop(method), draws).gradient), flat(tiny.full()))


@pytest.mark.parametrize("name", ["pes", "pes_analytic"])
def test_bad_settings_are_one_line(name: str) -> None:
    tiny = Tiny("linear", steps=2)
    with pytest.raises(UserError, match=r"method\.particles=7 is odd, and particles come in pairs; take 8"):
        tiny.method(name=name, particles=7)
    for wrong in (0, 1, 2.5):
        with pytest.raises(UserError, match=r"method\.particles must be a whole number ≥ 2; got"):
            tiny.method(name=name, particles=wrong)
    with pytest.raises(UserError, match=r"method\.sigma must be a number > 0; got 0"):
        tiny.method(name=name, sigma=0)
    with pytest.raises(UserError, match=r"method\.particles=1\d* needs .* GiB for particles and their perturbations"):
        tiny.method(name=name, particles=10**14)
