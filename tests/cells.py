"""Tiny models with data, for gradient tests: every registered model, and one with a nested state."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from artbp_exp import registry
from artbp_exp.recurrent import RecurrentModel

STREAMS, VOCABULARY, HIDDEN = 2, 4, 3


class NestedCell(RecurrentModel):
    """A cell whose state is ((a, b), c): nothing in the project knows its like."""

    def __init__(self, *, generator: torch.Generator) -> None:
        super().__init__()
        self.mix = nn.Parameter(0.6 * torch.randn(3 * HIDDEN, 3 * HIDDEN, generator=generator))
        self.drive = nn.Parameter(torch.randn(3 * HIDDEN, generator=generator))

    def init_state(self, batch_size: int) -> tuple[tuple[Tensor, Tensor], Tensor]:
        a, b, c = (self.drive.new_full((batch_size, HIDDEN), value) for value in (0.1, -0.2, 0.3))
        return (a, b), c

    def step(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        (a, b), c = state
        a, b, c = torch.tanh(torch.cat([a, b, c], 1) @ self.mix + inputs * self.drive).chunk(3, dim=1)
        return a * c, ((a + 0.5 * b, b), c)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A model, a sequence of T steps and a loss that reads every one of them."""

    model: RecurrentModel
    inputs: Tensor
    targets: Tensor
    loss: Callable[[Tensor, Tensor], Tensor]


def half_squares(predictions: Tensor, targets: Tensor) -> Tensor:
    return 0.5 * (predictions - targets).square().sum() / STREAMS


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum") / STREAMS


def build_model(name: str, *, seed: int = 1, hidden_size: int = HIDDEN) -> RecurrentModel:
    """A registered model at a tiny size, in float64."""
    generator = torch.Generator().manual_seed(seed)
    known = inspect.signature(registry.builder("model", name)).parameters
    sizes = {"vocabulary": VOCABULARY, "size": HIDDEN + 1, "positive": 2}
    context = {key: value for key, value in sizes.items() if key in known}
    settings = {"name": name} | ({"hidden_size": hidden_size} if "hidden_size" in known else {})
    return registry.build("model", settings, generator=generator, **context).to(torch.float64)


def is_character_model(name: str) -> bool:
    return "vocabulary" in inspect.signature(registry.builder("model", name)).parameters


NAMES = [*registry.names("model"), "nested"]
CARRIED = [name for name in registry.names("model") if not build_model(name).grows]
"""Those whose state can be carried through a stream, from segment to segment."""


def make_case(name: str, steps: int, *, seed: int = 1) -> Case:
    generator = torch.Generator().manual_seed(seed + 100)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    if name == "nested":
        model = NestedCell(generator=torch.Generator().manual_seed(seed)).to(torch.float64)
        inputs, targets = normal(steps, STREAMS, 1), normal(steps, STREAMS, HIDDEN)
        return Case(model=model, inputs=inputs, targets=targets, loss=half_squares)
    model = build_model(name, seed=seed)
    if is_character_model(name):
        symbols = torch.randint(VOCABULARY, (steps + 1, STREAMS), generator=generator)
        return Case(model=model, inputs=symbols[:-1], targets=symbols[1:], loss=cross_entropy)
    empty = torch.empty(steps, STREAMS, 0, dtype=torch.float64)
    return Case(model=model, inputs=empty, targets=normal(steps, STREAMS), loss=half_squares)
