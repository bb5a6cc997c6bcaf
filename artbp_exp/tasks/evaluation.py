"""Bits per character of a held-out text, as a reader meets it: from start to end."""

import math

import torch
from torch import Tensor

from artbp_exp.autograd import map_state
from artbp_exp.recurrent import RecurrentModel

NATS_PER_BIT = math.log(2)


@torch.no_grad()
def evaluate(
    model: RecurrentModel, symbols: Tensor, *, streams: int = 64, overlap: int = 500, piece: int = 200
) -> float:
    """Bits per character of `symbols` with the state carried from start to end.

    Equal to one long pass but for rounding: the text is split into `streams` parts that run in parallel, each
    started `overlap` symbols early (not scored), so that it meets its part with the state of a reader who came
    all the way. The first part starts from the model's initial state. Every symbol but the first is scored.

    Args:
        model: to evaluate.
        symbols: shape (N,), int64.
        streams: parts read in parallel.
        overlap: warm-up of each part, in symbols.
        piece: steps run at a time; bounds the memory, changes nothing.

    Returns:
        Mean of −log₂ p(symbol | all before it), bits per character.
    """
    count = symbols.numel() - 1
    # a short text takes fewer streams, so that no part starts closer than `overlap` to the beginning
    part = max(-(-count // streams), min(overlap, count))
    starts = torch.arange(0, count, part, device=symbols.device)
    state = model.init_state(starts.numel())
    if overlap and starts.numel() > 1:
        warm = (starts + torch.arange(-overlap, 0, device=symbols.device)[:, None]).clamp_min(0)
        for rows in warm.split(piece):
            _, state = model(symbols[rows], state)
        # the first part has nothing before it
        state = map_state(_first_from, state, model.init_state(starts.numel()))
    nats = 0.0
    for rows in (starts + torch.arange(part, device=symbols.device)[:, None]).split(piece):
        logits, state = model(symbols[rows.clamp_max(count - 1)], state)
        targets = symbols[(rows + 1).clamp_max(count)].masked_fill(rows >= count, -100)
        nats += torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), ignore_index=-100, reduction="sum"
        ).item()
    return nats / count / NATS_PER_BIT


def _first_from(state: Tensor, initial: Tensor) -> Tensor:
    return torch.cat([initial[:1], state[1:]])
