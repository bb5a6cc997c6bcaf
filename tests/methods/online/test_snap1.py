"""SnAp-1 is exact where no unit reads another, is RTRL on influence balancing, and drops what it says it drops."""

from typing import Any

import pytest
import torch
from torch import Tensor

from artbp_exp.methods.base import Claim
from artbp_exp.methods.online.rtrl import RTRL
from artbp_exp.methods.online.snap1 import SnAp1
from artbp_exp.training.gradient import flat, gradient
from tests.methods.online.tiny import Tiny

EXACT, WRONG = 1e-12, 1e-3


def diagonal(model: str) -> Tiny:
    """No unit reads another."""
    tiny = Tiny(model, steps=6, streams=2, hidden=3)
    with torch.no_grad():
        weights = tiny.model.get_parameter("recurrent").view(-1, 3, 3)
        weights.copy_(torch.diag_embed(weights.diagonal(dim1=1, dim2=2)))
    return tiny


@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_it_is_exact_for_a_diagonal_jacobian(model: str) -> None:
    tiny = diagonal(model)
    assert tiny.off(tiny.method(name="snap1", update_every=2)) < EXACT


class Masked(RTRL):
    """SnAp-1 by its definition: RTRL, of which only what a step does by itself is kept. Slow, for any cell."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        hidden, units = 3, self._stepping.size
        owner = torch.arange(self._stepping.count)
        for name, start in self.starts().items():
            size = self._stepping.parameters[name].numel()
            row = torch.arange(size) // hidden if name == "recurrent" else torch.arange(size)
            owner[start : start + size] = row % hidden
        own = torch.arange(units)[:, None] % hidden == owner
        return super().carry_on(theta, state, inputs, memory, numbers) * own

    def starts(self) -> dict[str, int]:
        sizes = [p.numel() for p in self._stepping.parameters.values()]
        return {name: sum(sizes[:index]) for index, name in enumerate(self._stepping.parameters)}


@pytest.mark.parametrize("model", ["rnn", "lstm"])
def test_the_closed_form_carries_what_the_definition_says(model: str) -> None:
    tiny: Any = Tiny(model, steps=6, streams=2, hidden=3)
    found, wanted = tiny.method(name="snap1"), Masked(model=tiny.model, task=tiny)
    theta = wanted._stepping.theta()
    state = tiny.model.init_state(2)
    g, full = found.remember(2), wanted.remember(2)
    for t in range(6):
        inputs, before = tiny.data[0][t], wanted._stepping.flat(state)
        g, full = (one.carry_on(theta, before, inputs, kept, None) for one, kept in ((found, g), (wanted, full)))
        state = tiny.model.step(tiny.model.encode(inputs[None])[0], state)[1]
        arrived = torch.randn(2, 3, generator=torch.Generator().manual_seed(t), dtype=torch.float64)
        padded = torch.nn.functional.pad(arrived, (0, wanted._stepping.size - 3))
        assert torch.allclose(found.earlier(arrived, g), wanted.earlier(padded, full), rtol=1e-12, atol=1e-14)


def test_it_is_biased_and_says_so() -> None:
    tiny = Tiny("rnn", steps=6, streams=2, hidden=3)
    method = tiny.method(name="snap1")
    assert method.claim(6) is Claim.BIASED
    assert tiny.off(method) > WRONG
    assert method.stored_numbers(6) == (3 + 4 + 1) * 3


def test_on_influence_balancing_it_is_rtrl() -> None:
    tiny = Tiny("linear", steps=9)
    found, wanted = (tiny.method(name=name) for name in ("snap1", "rtrl"))
    passes = [gradient(tiny.loop(m), next(m.outcomes(9))[0]).gradient for m in (found, wanted)]
    assert torch.equal(*(flat(one) for one in passes))
    assert found.name == "snap1"
    assert tiny.off(found) < EXACT


class WithoutDiagonal(SnAp1):
    """The recurrent diagonal is dropped, too: random feedback local online learning."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Tensor | None) -> Any:
        return super().carry_on(theta, state, inputs, torch.zeros_like(memory), numbers)


def test_dropping_the_recurrent_diagonal_is_refuted() -> None:
    tiny: Any = diagonal("rnn")
    assert tiny.off(WithoutDiagonal(model=tiny.model, task=tiny)) > WRONG
