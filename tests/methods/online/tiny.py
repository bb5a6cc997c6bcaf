"""A model small enough that every pattern of random signs can be tried, on random data, in float64."""

from typing import Any

import torch
from torch import Tensor

from artbp_exp.methods import Method, make_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.training.gradient import Gradients, TaskLoop, gradient
from artbp_exp.verification.oracle import full_bptt
from tests.cells import NestedCell, build_model, is_character_model


class Tiny:
    """`steps` steps of `streams` streams: symbols for a character model, real numbers for the others."""

    carry_state = True

    def __init__(self, name: str, *, steps: int, streams: int = 1, hidden: int = 2, seed: int = 0) -> None:
        self.steps = self.episode = steps
        self.batch_size = streams
        draw = torch.Generator().manual_seed(seed)
        self.symbols = name != "nested" and is_character_model(name)
        self.model: RecurrentModel
        if self.symbols:
            self.model = build_model(name, hidden_size=hidden)
            drawn = torch.randint(self.model.get_parameter("table").shape[0], (steps + 1, streams), generator=draw)
            self.data = drawn[:-1], drawn[1:]
        else:
            nested = name == "nested"
            self.model = NestedCell(generator=draw).double() if nested else build_model(name)
            targets = torch.randn(steps, streams, *([3] if nested else []), generator=draw, dtype=torch.float64)
            self.data = torch.randn(steps, streams, 1, generator=draw, dtype=torch.float64), targets

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        return self.data[0][start:stop], self.data[1][start:stop]

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        if self.symbols:
            total = torch.nn.functional.cross_entropy(predictions.flatten(0, 1), targets.flatten(), reduction="sum")
        else:
            total = 0.5 * (predictions - targets).square().sum()
        return total / self.batch_size

    def method(self, **settings: Any) -> Method:
        task: Any = self
        return make_method(settings, model=self.model, task=task)

    def loop(self, method: Method) -> TaskLoop:
        task: Any = self
        return TaskLoop(task=task, method=method, trainables=self.model)

    def full(self) -> Gradients:
        task: Any = self
        return full_bptt(self.model, task).gradient

    def mean(self, method: Method) -> Gradients:
        """The mean gradient over all outcomes."""
        mean = {name: torch.zeros_like(p) for name, p in self.model.named_parameters()}
        for outcome, probability in method.outcomes(self.steps):
            for name, found in gradient(self.loop(method), outcome).gradient.items():
                mean[name] += probability * found
        return mean

    def off(self, method: Method) -> float:
        """The largest relative error of the mean gradient against full BPTT, over the parameters."""
        full, mean = self.full(), self.mean(method)
        assert all(wanted.norm() > 0 for wanted in full.values()), "a gradient of zero proves nothing"
        return max(float((mean[name] - wanted).norm() / wanted.norm()) for name, wanted in full.items())
