"""Methods beside those that are shipped."""

import shutil
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from artbp_exp import checks, registry
from artbp_exp.methods import Method, SegmentMethod
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.truncation import Scheme, bptt


def jittered(*, length: int, spread: int = 2) -> Scheme:
    """Cuts uniformly between L − spread and L + spread."""
    length = checks.whole("method.length", length, at_least=spread + 1)
    first, last = length - spread, length + spread
    return Scheme(
        name="jittered",
        length=length,
        hazard=lambda lag: np.where((lag >= first) & (lag < last), 1 / (last + 1 - lag.clip(max=last)), lag >= last),
    )


class Noisy(Method):
    """Full BPTT with Gaussian noise: unbiased, and no truncation scheme."""

    def __init__(self, model: RecurrentModel, sigma: float) -> None:
        self.name, self._model, self._sigma = "noisy", model, sigma
        self._exact = SegmentMethod(model=model, scheme=bptt.build())

    def begin(self, batch_size: int) -> Any:
        return self._exact.begin(batch_size)

    def draws(self, steps: int, rng: np.random.Generator, *, start: int = 0) -> Iterator[tuple[int, Any]]:
        self._rng = rng
        return self._exact.draws(steps, rng, start=start)

    def advance(self, carry: Any, draw: Any, inputs: Any, targets: Any, loss: Any, *, ends: bool) -> tuple[float, Any]:
        found = self._exact.advance(carry, draw, inputs, targets, loss, ends=ends)
        for parameter in self._model.parameters():
            assert parameter.grad is not None
            parameter.grad += self._sigma * torch.from_numpy(self._rng.normal(size=parameter.shape))
        return found


def noisy(*, model: RecurrentModel, sigma: float) -> Noisy:
    return Noisy(model, sigma)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Callable[..., Any], str], None]:
    """Adds a method: one file and one yaml."""
    shutil.copytree(registry.directory(), tmp_path / "conf")
    monkeypatch.setattr(registry, "directory", lambda: tmp_path / "conf")

    def add(build: Callable[..., Any], yaml: str) -> None:
        (tmp_path / "conf" / "method" / f"{build.__name__}.yaml").write_text(f"name: {build.__name__}\n{yaml}")
        module = ModuleType(f"artbp_exp.truncation.{build.__name__}")
        module.build = build  # type: ignore[attr-defined]  # a module made up for the test
        module.__spec__ = ModuleSpec(module.__name__, None)
        monkeypatch.setitem(sys.modules, module.__name__, module)

    return add


@pytest.fixture
def registered(register: Callable[[Callable[..., Any], str], None]) -> None:
    """A scheme, and a method without one."""
    register(jittered, "length: 50\nspread: 2\n")
    register(noisy, "sigma: 0.1\n")
