"""Modules as a user of the public interface writes them: they know nothing of this project."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

import artbp_exp as artbp

BATCH, WIDTH = 2, 3


class DictCell(nn.Module):
    """A cell with a dict of a list, a clock and a hole for its state."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.LSTMCell(1, WIDTH)
        self.mix = nn.Linear(WIDTH, WIDTH)

    def start(self, batch: int) -> dict[str, Any]:
        zeros = self.mix.weight.new_zeros(batch, WIDTH)
        return {"lstm": [zeros, zeros], "trace": zeros, "clock": torch.tensor(0), "spare": None}

    def step(self, x: Tensor, state: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        hidden, cell = self.cell(x + state["trace"][:, :1], tuple(state["lstm"]))
        trace = 0.5 * state["trace"] + torch.tanh(self.mix(hidden))
        return trace, {"lstm": [hidden, cell], "trace": trace, "clock": state["clock"] + 1, "spare": None}

    def run(self, x: Tensor, state: Any, segment: artbp.Segment) -> tuple[Tensor, Any]:
        outputs, state = artbp.unroll(self.step, x, state, segment)
        return torch.stack(outputs), state

    def forward(self, x: Tensor, state: Any, segment: artbp.Segment) -> tuple[Tensor, Any]:
        return self.run(x, state, segment)


class ByHand(DictCell):
    """The same cell in a loop written by hand."""

    def run(self, x: Tensor, state: Any, segment: artbp.Segment) -> tuple[Tensor, Any]:
        outputs = []
        for t in range(segment.length):
            output, state = self.step(x[t], state)
            outputs.append(output)
            state = artbp.carry(state, segment.factor(t))
        return torch.stack(outputs), state


class Blocks(nn.Module):
    """A ready-made recurrent module, with two layers and a projection of what it puts out."""

    def __init__(self, kind: type[nn.RNNBase], *, batch_first: bool = False) -> None:
        super().__init__()
        self.body = kind(1, WIDTH, num_layers=2, batch_first=batch_first)
        self.read = nn.Linear(WIDTH, WIDTH)

    def start(self, batch: int) -> None:
        return None

    def run(self, x: Tensor, state: Any, segment: artbp.Segment) -> tuple[Tensor, Any]:
        turned = x.transpose(0, 1) if self.body.batch_first else x
        outputs, state = artbp.unroll_blocks(self.body, turned, state, segment)
        return self.read(outputs.transpose(0, 1) if self.body.batch_first else outputs), state

    def forward(self, x: Tensor, state: Any, segment: artbp.Segment) -> tuple[Tensor, Any]:
        return self.run(x, state, segment)


MODULES = {
    "own": DictCell,
    "by hand": ByHand,
    "LSTM": lambda: Blocks(nn.LSTM),
    "GRU": lambda: Blocks(nn.GRU),
    "RNN, batch first": lambda: Blocks(nn.RNN, batch_first=True),
}


def make(name: str, *, dtype: torch.dtype = torch.float64) -> Any:
    torch.manual_seed(3)
    return MODULES[name]().to(dtype)


def data(steps: int, batch: int = BATCH, *, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(steps, batch, 1, generator=generator, dtype=torch.float64)
    y = torch.randn(steps, batch, WIDTH, generator=generator, dtype=torch.float64)
    return x.to(dtype), y.to(dtype)


def half_squares(outputs: Tensor, targets: Tensor) -> Tensor:
    """Summed over steps, averaged over streams."""
    return (
        0.5
        * (outputs.float() if outputs.dtype == torch.bfloat16 else outputs).sub(targets).square().sum()
        / (targets.shape[1])
    )


def accumulate(model: Any, segments: Iterable[artbp.Segment], x: Tensor, y: Tensor, **autocast: Any) -> Tensor:
    """The parameters' gradient, accumulated over segments as a user accumulates it; flattened."""
    model.zero_grad()
    state, start = getattr(model, "module", model).start(x.shape[1]), 0
    for segment in segments:
        stop = start + segment.length
        with torch.autocast("cpu", **(autocast or {"enabled": False})):
            outputs, state = model(x[start:stop], state, segment)
            loss = half_squares(outputs, y[start:stop])
        loss.backward()
        state, start = artbp.detach(state), stop
    assert start == x.shape[0]
    return torch.cat([p.grad.flatten() for p in model.parameters()])
