"""Adam in steps of data: torch's Adam at fixed length, its own equations otherwise."""

import copy
import io
import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

import artbp_exp as artbp
from artbp_exp.errors import UserError


def parameters(dtype: torch.dtype = torch.float64, seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in ((7, 5), (11,), ())]


def gradients(update: int, like: list[Tensor]) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1000 + update)
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in like]


def run(optimizer: torch.optim.Optimizer, params: list[Tensor], lengths: Iterable[int | None], first: int = 0) -> None:
    for update, length in enumerate(lengths, first):
        for p, g in zip(params, gradients(update, params), strict=True):
            p.grad = g * (1 if length is None else length)
        if length is None:
            optimizer.step()
        else:
            optimizer.step(length=length)


LENGTHS = [50, 3, 1, 120, 50, 700, 49, 7, 2, 50, 31, 5, 1, 1, 90]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("length", "lr"), [(1, 1e-3), (50, 1e-4), (37, 0.3)])
def test_at_fixed_length_it_is_torchs_adam_bit_for_bit(dtype: torch.dtype, length: int, lr: float) -> None:
    ours, theirs = parameters(dtype), parameters(dtype)
    aware = artbp.Adam(ours, lr, length=length)
    plain = torch.optim.Adam(theirs, lr, fused=True)
    for update in range(40):
        for p, q, g in zip(ours, theirs, gradients(update, ours), strict=True):
            p.grad, q.grad = g.clone(), g.clone()
        aware.step(length=length)
        plain.step()
        for p, q in zip(ours, theirs, strict=True):
            assert torch.equal(p, q)
            for moment in ("exp_avg", "exp_avg_sq"):
                assert torch.equal(aware.state[p][moment], plain.state[q][moment])


def test_at_varying_length_it_is_its_equations() -> None:
    reference, lr, beta1, beta2, eps = 50.0, 0.1, 0.8, 0.97, 1e-6
    params = parameters()
    optimizer = artbp.Adam(params, lr, (beta1, beta2), eps, length=reference)
    run(optimizer, params, LENGTHS)

    wanted = [p.detach().clone() for p in parameters()]
    first, second, steps = [torch.zeros_like(p) for p in wanted], [torch.zeros_like(p) for p in wanted], 0
    for update, length in enumerate(LENGTHS):
        x, steps = length / reference, steps + length
        for i, g in enumerate(gradients(update, wanted)):
            first[i] = beta1 * first[i] + (1 - beta1) * length * g
            second[i] = beta2**x * second[i] + (1 - beta2**x) * (length * g / x) ** 2
            scale = (second[i] / (1 - beta2 ** (steps / reference))).sqrt() + eps
            wanted[i] -= lr * first[i] / (1 - beta1 ** (update + 1)) / scale
    for p, w, m, v in zip(params, wanted, first, second, strict=True):
        torch.testing.assert_close(p.detach(), w, rtol=1e-5, atol=1e-7)  # the kernel counts its steps in float32
        torch.testing.assert_close(optimizer.state[p]["exp_avg"], m, rtol=1e-12, atol=0)
        torch.testing.assert_close(optimizer.state[p]["exp_avg_sq"], v, rtol=1e-12, atol=0)


def test_the_second_moment_is_that_of_segments_of_fixed_length() -> None:
    """G = N·μ plus the noise of N steps: torch's Adam sees E[N²] where this one sees L0², as at fixed length."""
    mean, noise, reference = 0.3, 1.0, 50
    scheme, rng = artbp.artbp(length=reference, alpha=6), np.random.default_rng(0)
    ours, theirs = (torch.zeros(2000, dtype=torch.float64, requires_grad=True) for _ in range(2))
    generator = torch.Generator().manual_seed(0)
    aware = artbp.Adam([ours], 0.0, (0.9, 0.9995), length=reference)
    plain = torch.optim.Adam([theirs], 0.0, (0.9, 0.9995))
    for _ in range(4000):
        length = scheme.draw(rng, 10**6)
        ours.grad = length * mean + math.sqrt(length) * noise * torch.randn(2000, generator=generator).double()
        theirs.grad = ours.grad.clone()
        aware.step(length=length)
        plain.step()
    steps = aware.param_groups[0]["steps"]
    found = aware.state[ours]["exp_avg_sq"].mean().item() / (1 - 0.9995 ** (steps / reference))
    fixed = reference * noise**2 + (reference * mean) ** 2
    assert found == pytest.approx(fixed, rel=0.08)
    assert plain.state[theirs]["exp_avg_sq"].mean().item() / (1 - 0.9995**4000) > 1.4 * fixed


def test_the_gradient_is_left_as_it_is() -> None:
    params = parameters()
    optimizer = artbp.Adam(params, length=50)
    run(optimizer, params, [20])
    for p, g in zip(params, gradients(0, params), strict=True):
        assert p.grad is not None
        assert torch.equal(p.grad, 20 * g)


def test_it_goes_on_where_it_was_left() -> None:
    whole, first, second = (parameters() for _ in range(3))
    run(artbp.Adam(whole, 0.1, length=50), whole, LENGTHS)
    optimizer = artbp.Adam(first, 0.1, length=50)
    run(optimizer, first, LENGTHS[:6])
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    for p, q in zip(second, first, strict=True):
        p.data.copy_(q.data)
    again = artbp.Adam(second, 0.1, length=50)
    again.load_state_dict(torch.load(file, weights_only=True))
    run(again, second, LENGTHS[6:], first=6)
    assert all(torch.equal(p, q) for p, q in zip(whole, second, strict=True))


def test_a_copy_goes_on_by_itself() -> None:
    params = parameters()
    optimizer = artbp.Adam(params, 0.1, length=50)
    run(optimizer, params, LENGTHS[:6])
    others, again = copy.deepcopy((params, optimizer))
    run(optimizer, params, LENGTHS[6:], first=6)
    run(again, others, LENGTHS[6:], first=6)
    assert all(torch.equal(p, q) for p, q in zip(params, others, strict=True))


def test_groups_schedulers_and_closures_are_those_of_torch() -> None:
    ours, theirs = parameters(), parameters()
    aware = artbp.Adam([{"params": ours[:1]}, {"params": ours[1:], "lr": 0.3}], 0.1, length=5)
    plain = torch.optim.Adam([{"params": theirs[:1]}, {"params": theirs[1:], "lr": 0.3}], 0.1, fused=True)
    schedules = [torch.optim.lr_scheduler.StepLR(optimizer, 2, 0.5) for optimizer in (aware, plain)]

    def closure(params: list[Tensor]) -> Tensor:
        loss = sum(((p - 1) ** 2).sum() for p in params)
        assert isinstance(loss, Tensor)
        for p in params:
            p.grad = None
        loss.backward()
        return loss

    for _ in range(6):
        found = aware.step(lambda: closure(ours), length=5)
        assert found == plain.step(lambda: closure(theirs))
        for schedule in schedules:
            schedule.step()
    assert all(torch.equal(p, q) for p, q in zip(ours, theirs, strict=True))


def test_a_parameter_without_a_gradient_counts_as_one_of_gradient_zero() -> None:
    ours, theirs = parameters(), parameters()
    for params, missing in ((ours, None), (theirs, torch.zeros(11, dtype=torch.float64))):
        optimizer = artbp.Adam(params, 0.1, length=50)
        for length in (20, 80):
            run(optimizer, params, [length])
            params[1].grad = missing
            optimizer.step(length=length)
    assert all(torch.equal(p, q) for p, q in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("wrong", [None, 0, 1.5, "ten"])
def test_the_length_must_be_told(wrong: int | None) -> None:
    optimizer = artbp.Adam(parameters(), length=50)
    with pytest.raises(UserError, match=r"step\(length=segment.length\)|length of a segment must be a whole number"):
        optimizer.step(length=wrong)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"length": 0}, "length must be a number ≥ 1"),
        ({"length": 5, "betas": (1.0, 0.9)}, r"betas\[0\] must be at least 0 and below 1; got 1.0"),
        ({"length": 5, "lr": -1}, "lr must be a number ≥ 0"),
        ({"length": 5, "eps": math.nan}, "eps must be a number ≥ 0"),
    ],
)
def test_bad_settings_are_refused(wrong: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        artbp.Adam(parameters(), **wrong)


def test_another_optimisers_state_is_refused() -> None:
    weight = torch.zeros(2, requires_grad=True)
    weight.grad = torch.ones(2)
    other = torch.optim.Adam([weight])
    other.step()
    with pytest.raises(UserError, match="another optimiser's state"):
        artbp.Adam([weight], length=5).load_state_dict(other.state_dict())
