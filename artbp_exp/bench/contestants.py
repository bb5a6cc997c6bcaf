"""What takes part: this package's engines, and what a user would write without it."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from artbp_exp import registry
from artbp_exp.autograd import carry, map_state, unroll_blocks
from artbp_exp.methods import SegmentMethod
from artbp_exp.optimizers import adam
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.training.trainer import Trainer
from artbp_exp.truncation import Scheme

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

    @staticmethod
    def loss(predictions: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, summed over steps, averaged over streams."""
        total = nn.functional.cross_entropy(predictions.flatten(0, 1), targets.flatten(), reduction="sum")
        return total / targets.shape[1]


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
        before = trainer.tally.step
        for _ in trainer.run(pause=lambda: trainer.tally.step - before >= steps):
            pass
        return trainer.tally.step - before

    return work


def torch_module(
    *,
    embed: bool,
    hidden: int,
    device: torch.device,
    autocast: torch.dtype | None = None,
    module: type[nn.Module] = nn.LSTM,
    method: dict[str, Any] | None = None,
) -> Callable[[int], int]:
    """`torch.nn.LSTM` or `GRU` on one-hot vectors, or on an embedding of the hidden size.

    Truncated BPTT as a user writes it; or `method` by `unroll_blocks`.
    """
    torch.manual_seed(0)
    inputs: nn.Module = nn.Embedding(VOCABULARY, hidden) if embed else nn.Identity()
    layer, readout = module(hidden if embed else VOCABULARY, hidden), nn.Linear(hidden, VOCABULARY)
    network = nn.ModuleList([inputs, layer, readout]).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    text = RandomText(device)
    state: Any = tuple(torch.zeros(1, STREAMS, hidden, device=device) for _ in range(2))
    state = state if module is nn.LSTM else state[0]
    scheme: Scheme = registry.build("method", method or TBPTT)
    cuts = np.random.default_rng(0)
    position = 0

    def work(steps: int) -> int:
        nonlocal state, position
        done = 0
        while done < steps:
            segment = scheme.segment(scheme.draw(cuts, 5000) if method else MEAN_LENGTH)
            symbols, targets = text.window(position, position + segment.length)
            position += segment.length
            done += segment.length
            optimizer.zero_grad()
            with torch.autocast(device.type, autocast, enabled=autocast is not None):
                x = inputs(symbols) if embed else nn.functional.one_hot(symbols, VOCABULARY).float()
                hidden_states, last = unroll_blocks(layer, x, state, segment) if method else layer(x, state)
                loss = text.loss(readout(hidden_states), targets)
            loss.backward()
            loss.item()
            state = map_state(lambda part: part.detach().float(), last)
            optimizer.step()
        return done

    return work


def cell_loop(*, embed: bool, hidden: int, device: torch.device) -> Callable[[int], int]:
    """ARTBP as one writes it by hand: a loop over `torch.nn.LSTMCell`, the carried gradient scaled between steps."""
    torch.manual_seed(0)
    inputs: nn.Module = nn.Embedding(VOCABULARY, hidden) if embed else nn.Identity()
    cell, readout = nn.LSTMCell(hidden if embed else VOCABULARY, hidden), nn.Linear(hidden, VOCABULARY)
    network = nn.ModuleList([inputs, cell, readout]).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    text = RandomText(device)
    scheme: Scheme = registry.build("method", ARTBP)
    cuts = np.random.default_rng(0)
    state: Any = tuple(torch.zeros(STREAMS, hidden, device=device) for _ in range(2))
    position = 0

    def work(steps: int) -> int:
        nonlocal state, position
        done = 0
        while done < steps:
            segment = scheme.segment(scheme.draw(cuts, 5000))
            symbols, targets = text.window(position, position + segment.length)
            optimizer.zero_grad()
            x = inputs(symbols) if embed else nn.functional.one_hot(symbols, VOCABULARY).float()
            outputs = []
            for index in range(segment.length):
                state = cell(x[index], state)
                outputs.append(state[0])
                if index < segment.length - 1:
                    state = carry(state, float(segment.factors[index]))
            loss = text.loss(readout(torch.stack(outputs)), targets)
            loss.backward()
            loss.item()
            state = tuple(part.detach() for part in state)
            optimizer.step()
            position += segment.length
            done += segment.length
        return done

    return work


ARTBP = {"name": "artbp", "length": MEAN_LENGTH, "alpha": 4}
TBPTT = {"name": "tbptt", "length": MEAN_LENGTH}
