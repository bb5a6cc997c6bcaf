"""What takes part: this package's engines, and what a user would write without it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp import registry
from artbp_exp.autograd import carry, map_state
from artbp_exp.methods import SegmentMethod
from artbp_exp.optimizers import adam
from artbp_exp.tasks.losses import cross_entropy
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.training.trainer import Trainer
from artbp_exp.truncation import Scheme, Segment

VOCABULARY = 50
STREAMS = 64
MEAN_LENGTH = 50
RATE = 1e-4


class RandomText:
    """An endless text of random symbols, B streams: the cost of a step does not depend on what is read."""

    name = "random text"
    steps = episode = 10**12
    passes = 1
    carry_state = True
    batch_size = STREAMS
    divergence = float("inf")
    loss = staticmethod(cross_entropy)

    def __init__(self, device: torch.device) -> None:
        generator = torch.Generator().manual_seed(0)
        self._text = torch.randint(VOCABULARY, (20_000, STREAMS), generator=generator).to(device)

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Symbols and their successors, (n, B) each."""
        first = start % (len(self._text) - (stop - start) - 1)
        last = first + stop - start
        return self._text[first:last], self._text[first + 1 : last + 1]

    def begin_pass(self, rng: Any) -> None:
        """Nothing is drawn."""

    def marks(self) -> list[int]:
        """No rows are due."""
        return []


def ours(
    *,
    method: dict[str, Any],
    engine: str,
    hidden: int,
    device: torch.device,
    autocast: torch.dtype | None = None,
    model: str = "lstm",
) -> Callable[[int], int]:
    """A learner of this package. The function trains for at least so many steps and returns how many there were."""
    network = registry.build(
        "model",
        {"name": model, "hidden_size": hidden},
        vocabulary=VOCABULARY,
        generator=torch.Generator().manual_seed(0),
    ).to(device)
    scheme: Scheme = registry.build("method", method)
    task: Any = RandomText(device)
    loop = TaskLoop(
        task=task,
        method=SegmentMethod(model=network, scheme=scheme, engine=engine, autocast=autocast),
        trainables=network,
    )
    trainer = Trainer(
        loop=loop,
        trainables=nn.ModuleDict({"model": network}),
        updater=adam.build(lr=RATE, parameters=list(network.parameters())),
        cuts=np.random.default_rng(0),
        data=np.random.default_rng(0),
    )

    def work(steps: int) -> int:
        before = trainer.progress.step
        for _ in trainer.run(pause=lambda: trainer.progress.step - before >= steps):
            pass
        return trainer.progress.step - before

    return work


def torch_module(
    *,
    embed: bool,
    hidden: int,
    device: torch.device,
    autocast: torch.dtype | None = None,
    module: type[nn.Module] = nn.LSTM,
    unroll: Callable[..., tuple[Tensor, Any]] | None = None,
) -> Callable[[int], int]:
    """A module of torch's on one-hot vectors, or on an embedding of the hidden size.

    Truncated BPTT as a user writes it; or ARTBP by `unroll(layer, inputs, state, segment)` → (outputs, state).
    """
    torch.manual_seed(0)
    inputs: nn.Module = nn.Embedding(VOCABULARY, hidden) if embed else nn.Identity()
    layer, readout = module(hidden if embed else VOCABULARY, hidden), nn.Linear(hidden, VOCABULARY)
    network = nn.ModuleList([inputs, layer, readout]).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    text = RandomText(device)
    zeros = torch.zeros(*(() if module is nn.LSTMCell else (1,)), STREAMS, hidden, device=device)
    state: Any = zeros if module is nn.GRU else (zeros, zeros)
    scheme: Scheme = registry.build("method", ARTBP if unroll else TBPTT)
    cuts = np.random.default_rng(0)
    position = 0

    def work(steps: int) -> int:
        nonlocal state, position
        done = 0
        while done < steps:
            segment = scheme.segment(scheme.draw(cuts, 5000) if unroll else MEAN_LENGTH)
            symbols, targets = text.window(position, position + segment.length)
            position += segment.length
            done += segment.length
            optimizer.zero_grad()
            with torch.autocast(device.type, autocast, enabled=autocast is not None):
                x = inputs(symbols) if embed else nn.functional.one_hot(symbols, VOCABULARY).float()
                outputs, last = unroll(layer, x, state, segment) if unroll else layer(x, state)
                loss = text.loss(readout(outputs), targets)
            loss.backward()
            loss.item()
            state = map_state(lambda part: part.detach().float(), last)
            optimizer.step()
        return done

    return work


def cell_loop(cell: nn.LSTMCell, x: Tensor, state: Any, segment: Segment) -> tuple[Tensor, Any]:
    """ARTBP as one writes it by hand: a loop over the cell, the carried gradient scaled between steps."""
    outputs = []
    for index, now in enumerate(x.unbind()):
        state = cell(now, state)
        outputs.append(state[0])
        if index < segment.length - 1:
            state = carry(state, float(segment.factors[index]))
    return torch.stack(outputs), state


ARTBP = {"name": "artbp", "length": MEAN_LENGTH, "alpha": 4}
TBPTT = {"name": "tbptt", "length": MEAN_LENGTH}
