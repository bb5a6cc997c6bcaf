"""Code for float32 runs in float64, and nothing of it stays behind, whatever happens."""

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from artbp_exp.verification.user_loop.float64_mode import float64

LEGACY: Any = np.random
"""NumPy's global stream, which older code still draws from."""


class Lively(nn.Module):
    """Changes all that it can change."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.Linear(3, 2)
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        self.norm(x)
        return self.read(x) + torch.rand(2) + random.random() + LEGACY.random()


def everything(net: nn.Module) -> list[Any]:
    parts: list[Any] = [tensor.clone() for tensor in [*net.parameters(), *net.buffers()]]
    parts += [p.grad.clone() for p in net.parameters() if p.grad is not None]
    parts += [p.data_ptr() for p in net.parameters()]
    parts += [part.training for part in net.modules()]
    numbers = [torch.get_rng_state(), random.getstate(), LEGACY.get_state()[2]]
    return [*parts, torch.get_default_dtype(), *numbers]


@pytest.mark.parametrize("fails", [False, True])
def test_all_is_as_it_was(fails: bool) -> None:
    net = Lively()
    net.read(torch.ones(1, 3)).sum().backward()
    before = everything(net)
    with pytest.raises(ZeroDivisionError) if fails else torch.enable_grad(), float64(list(net.parameters()), net):
        assert all(p.dtype == torch.float64 and p.grad is None for p in net.parameters())
        loss = net(torch.randn(4, 3)).sum()
        loss.backward()
        net.eval()
        net.seen = torch.ones(2)
        with torch.no_grad():
            net.read.weight.add_(1)
        assert loss.dtype == torch.float64
        if fails:
            raise ZeroDivisionError
    after = everything(net)
    assert len(before) == len(after)
    for a, b in zip(before, after, strict=True):
        assert torch.equal(a, b) and a.dtype == b.dtype if isinstance(a, Tensor) else a == b


def test_lower_dtypes_are_raised_wherever_they_come_in() -> None:
    x, weight = torch.full((3, 1), 0.1), torch.full((2, 1), 0.1, dtype=torch.bfloat16)
    lstm = nn.LSTM(1, 2)
    with float64(list(lstm.parameters()), lstm):
        found = [
            x + 1,
            x[1:],
            nn.functional.linear(x, weight),
            torch.stack([x, x.double()]),
            torch.zeros(2),
            torch.zeros(2, dtype=torch.float32),
            torch.full((1,), 0.1, dtype=torch.float16),
            x.double().float(),
            x.double().to(torch.float32),
            lstm(x)[0],
        ]
        assert [tensor.dtype for tensor in found] == [torch.float64] * len(found)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert (x @ x.T).dtype == torch.float64
        assert (torch.arange(2) + 1).dtype == torch.int64
    assert (x + 1).dtype == torch.float32


def test_what_is_written_in_place_is_written_in_float64_and_put_back() -> None:
    x, out, viewed = torch.zeros(3), torch.zeros(3), torch.zeros(4)
    third = torch.ones(1, dtype=torch.float64) / 3
    with float64([], None):
        x[1] = third
        x.add_(torch.ones(3))
        torch.add(torch.ones(3, dtype=torch.float64), third, out=out)
        viewed[::2].view(2, 1)[0].data.copy_(third)
        assert x.tolist() == [1.0, 1 + third.item(), 1.0]
        assert out.tolist() == [1 + third.item()] * 3
        assert viewed.tolist() == [third.item(), 0, 0, 0]
    for tensor in (x, out, viewed):
        assert tensor.dtype == torch.float32
        assert not tensor.any()


def test_memory_that_others_share_keeps_its_dtype() -> None:
    array, x = np.zeros(2, dtype=np.float32), torch.zeros(3)
    part, mirror = x[:2], torch.from_numpy(array)
    with float64([], None):
        x[torch.tensor([0])] = torch.ones(1, dtype=torch.float64) / 3
        mirror.lerp_(torch.ones(2, dtype=torch.float64), 0.5)
    assert torch.equal(part, torch.tensor([1 / 3, 0]))
    assert array.tolist() == [0.5, 0.5]
