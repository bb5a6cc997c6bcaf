"""UORO and KF-RTRL are full BPTT in mean over every pattern of signs, and their usual mistakes are not."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from artbp_exp.errors import UserError
from artbp_exp.methods.base import Claim
from artbp_exp.methods.online import kf_rtrl, online, uoro
from artbp_exp.methods.online.kf_rtrl import KFRTRL
from artbp_exp.methods.online.uoro import UORO
from artbp_exp.training.gradient import flat, gradient
from tests.methods.online.tiny import Tiny

EXACT, WRONG = 1e-10, 1e-3

SIZES = [
    ("uoro", "rnn", 3, 1, 2),
    ("uoro", "lstm", 3, 1, 1),
    ("uoro", "gru", 2, 1, 2),
    ("uoro", "linear", 2, 1, 0),
    ("uoro", "rnn", 2, 2, 1),
    ("kf_rtrl", "rnn", 3, 1, 3),
    ("kf_rtrl", "lstm", 3, 1, 2),
    ("kf_rtrl", "rnn", 2, 2, 1),
]


@pytest.mark.parametrize(("name", "model", "steps", "streams", "hidden"), SIZES)
def test_the_mean_over_all_signs_is_full_bptt(name: str, model: str, steps: int, streams: int, hidden: int) -> None:
    tiny = Tiny(model, steps=steps, streams=streams, hidden=hidden)
    method = tiny.method(name=name, update_every=2)
    assert method.claim(steps) is Claim.SIGNS
    assert tiny.off(method) < EXACT


def test_they_keep_what_they_say() -> None:
    tiny = Tiny("lstm", steps=2, hidden=3)
    count = 4 * 12 + 12 + 12 * 3
    assert tiny.method(name="uoro").stored_numbers(2) == 6 + count
    assert tiny.method(name="kf_rtrl").stored_numbers(2) == (3 + 4 + 1) + 6 * 12


@pytest.mark.parametrize(("name", "unbalanced"), [("uoro", 1.0), ("kf_rtrl", 1.0)])
def test_any_positive_ratio_leaves_the_mean_and_only_changes_the_variance(
    name: str, unbalanced: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = Tiny("rnn", steps=3)
    balanced = spread(tiny, tiny.method(name=name))
    for module in (uoro, kf_rtrl):
        monkeypatch.setattr(module, "balance", lambda first, second: torch.ones_like(first.norm()) * unbalanced)
    other = tiny.method(name=name)
    assert tiny.off(other) < EXACT
    assert spread(tiny, other) > balanced


def spread(tiny: Tiny, method: Any) -> float:
    """The variance over all signs."""
    found = [flat(gradient(tiny.loop(method), outcome).gradient) for outcome, _ in method.outcomes(tiny.steps)]
    return float(torch.stack(found).var(0, correction=0).sum())


class OtherSigns(UORO):
    """The signs of one factor are not those of the other."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Any) -> Any:
        left, _ = super().carry_on(theta, state, inputs, memory, numbers)
        _, right = super().carry_on(theta, state, inputs, memory, numbers.flip(1))
        return left, right


class SharedSigns(UORO):
    """All streams share their signs, and one θ̃ holds the sum over them."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Any) -> Any:
        left, right = super().carry_on(theta, state, inputs, memory, numbers[:1].expand_as(numbers))
        return left, right.sum(0, keepdim=True).expand_as(right)


class NoSigns(KFRTRL):
    """The terms are not made independent of each other."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Any) -> Any:
        return super().carry_on(theta, state, inputs, memory, torch.ones_like(numbers))


class OneSign(KFRTRL):
    """One sign for both terms of a step."""

    def carry_on(self, theta: Tensor, state: Tensor, inputs: Tensor, memory: Any, numbers: Any) -> Any:
        return super().carry_on(theta, state, inputs, memory, numbers[:, :1].expand_as(numbers))


class Swapped(KFRTRL):
    """The signs of B's terms are exchanged."""

    def _factors(self, *given: Any) -> tuple[Tensor, Tensor]:
        return super()._factors(*given)[0], super()._factors(*given[:-1], given[-1].flip(0))[1]


@pytest.mark.parametrize("broken", [OtherSigns, SharedSigns, NoSigns, Swapped])
def test_mistakes_are_refuted(broken: Callable[..., Any]) -> None:
    tiny: Any = Tiny("rnn", steps=3, streams=1) if broken is not SharedSigns else Tiny("rnn", steps=2, streams=2)
    assert tiny.off(broken(model=tiny.model, task=tiny)) > WRONG


def test_one_sign_for_both_terms_is_enough() -> None:
    """The sign of the step before is in both factors of the older term, and so tells it from the new one."""
    tiny: Any = Tiny("rnn", steps=3)
    assert tiny.off(OneSign(model=tiny.model, task=tiny)) < EXACT


@pytest.mark.parametrize("name", ["uoro", "kf_rtrl"])
def test_without_a_floor_a_memory_of_zeros_is_lost(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(online, "FLOOR", 0.0)
    tiny = Tiny("rnn", steps=2)
    with pytest.raises(AssertionError):
        assert tiny.off(tiny.method(name=name)) < EXACT


def test_one_memory_for_all_streams_only_adds_noise() -> None:
    """With signs of its own for each stream the cross terms average out: unbiased, at a larger variance."""

    class OneMemory(UORO):
        def earlier(self, arrived: Tensor, memory: Any) -> Tensor:
            left, right = memory
            along = (arrived * left).sum(1)
            own = super().earlier(arrived, memory)
            cross: Tensor = along.sum() * right.sum(0) - along @ right
            return own + cross

    tiny: Any = Tiny("rnn", steps=2, streams=2)
    shared, apart = OneMemory(model=tiny.model, task=tiny), tiny.method(name="uoro")
    assert tiny.off(shared) < EXACT
    assert spread(tiny, shared) > 1.5 * spread(tiny, apart)


def test_too_many_signs_are_not_tried() -> None:
    tiny = Tiny("rnn", steps=8, streams=2, hidden=4)
    wanted = r"method=uoro draws 64 random signs in 8 steps, too many to try all 2\^64 patterns .at most 2\^16.; take"
    with pytest.raises(UserError, match=wanted):
        next(tiny.method(name="uoro").outcomes(8))


@pytest.mark.parametrize("model", ["gru", "authors", "linear", "nested"])
@pytest.mark.parametrize("name", ["kf_rtrl", "snap1"])
def test_a_cell_of_another_form_is_refused_with_what_fits(name: str, model: str) -> None:
    if (name, model) == ("snap1", "linear"):
        return
    with pytest.raises(UserError, match=f"method={name} needs a cell with a single matrix product.*take model=rnn or"):
        Tiny(model, steps=2).method(name=name)


def draws(method: Any, steps: int, seed: int = 0) -> Iterator[Any]:
    import numpy as np

    return (draw for _, draw in method.draws(steps, np.random.default_rng(seed)))


def test_signs_travel_in_the_draws() -> None:
    tiny = Tiny("rnn", steps=4)
    method = tiny.method(name="uoro")
    first, again, other = (flat(gradient(tiny.loop(method), draws(method, 4, seed)).gradient) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
