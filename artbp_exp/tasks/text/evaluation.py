"""Bits per character of a held-out text, as a reader meets it: from start to end."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from artbp_exp.autograd import State, map_state
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.losses import NATS_PER_BIT

RUNS = 4
"""Runs of all parts after which one reader takes over: on a CPU one costs as much as three to eight more of them."""


@torch.no_grad()
def evaluate(
    model: RecurrentModel,
    symbols: Tensor,
    *,
    streams: int = 64,
    overlap: int = 500,
    piece: int = 200,
    tolerance: float = 1e-4,
) -> float:
    """Bits per character of `symbols` with the state carried from start to end, to within about `tolerance`.

    The text is split into `streams` parts that run in parallel. Each part starts `overlap` symbols early (not scored),
    so that it meets its first symbol with a state that has a history; the first part starts from the initial state.
    A model that remembers for longer than `overlap` is noticed: the end of each part is the start of the next, with
    the whole part as its history, and from there the first `overlap` symbols are scored again. Where that could move
    the result by more than `tolerance`, all parts are run again from these states, until it no longer can. A model
    that remembers for so long that `RUNS` runs do not settle it is read by one reader from start to end.

    Args:
        model: to evaluate.
        symbols: shape (N,), int64.
        streams: parts read in parallel.
        overlap: warm-up of each part, in symbols.
        piece: steps run at a time; bounds the memory, changes nothing but rounding.
        tolerance: change of the result, in bits per character, that a longer history may still make.

    Returns:
        Mean of −log₂ p(symbol | all before it), bits per character. Every symbol but the first is scored.
    """
    count = symbols.numel() - 1
    # a short text takes fewer streams, so that no part starts closer than `overlap` to the beginning
    part = max(-(-count // streams), min(overlap, count))
    starts = torch.arange(0, count, part, device=symbols.device)
    initial = model.init_state(starts.numel())
    rows = (starts + torch.arange(part, device=symbols.device)[:, None]).split(piece)
    checked = rows[: -(-overlap // piece)]
    state = _warmed_up(model, symbols, starts, overlap, piece)
    for _ in range(RUNS):
        nats, found, ends = _score(model, symbols, rows, state, detailed=len(checked))
        if starts.numel() == 1 or not checked:
            break
        # the part before each part, whose end has the longer history
        state = map_state(lambda end, first: torch.cat([first[:1], end[:-1]]), ends, initial)
        _, again, _ = _score(model, symbols, checked, state, detailed=len(checked))
        changes = (again - found).abs().sum(1)
        # the rest of a part changes no more a piece than the last one that was scored again
        moved = float(changes.sum() + (len(rows) - len(checked)) * changes[-1]) / count / NATS_PER_BIT
        if not moved > tolerance:  # nan: the model has diverged, and no history mends it
            break
    else:
        return evaluate(model, symbols, streams=1, piece=piece)
    return float(np.cumsum(nats)[-1]) / count / NATS_PER_BIT  # added up in order, on every version of Python


def _warmed_up(model: RecurrentModel, symbols: Tensor, starts: Tensor, overlap: int, piece: int) -> State:
    """The state at each of `starts` after reading the `overlap` symbols before it; the first has none before it."""
    initial = state = model.init_state(starts.numel())
    if overlap and starts.numel() > 1:
        early = (starts + torch.arange(-overlap, 0, device=symbols.device)[:, None]).clamp_min(0)
        for rows in early.split(piece):
            _, state = model(symbols[rows], state)
    warmed: State = map_state(lambda warm, first: torch.cat([first[:1], warm[1:]]), state, initial)
    return warmed


def _score(
    model: RecurrentModel, symbols: Tensor, pieces: tuple[Tensor, ...], state: State, *, detailed: int
) -> tuple[list[float], Tensor, State]:
    """Nats of the symbols that follow the places in `pieces`, each (n, streams).

    Returns:
        (a sum for each piece; for the first `detailed` pieces also for each stream, (detailed, streams); last state).
    """
    count, nats, streams = symbols.numel() - 1, [], []
    for number, rows in enumerate(pieces):
        logits, state = model(symbols[rows.clamp_max(count - 1)], state)
        targets = symbols[(rows + 1).clamp_max(count)].masked_fill(rows >= count, -100)
        both = logits.flatten(0, 1), targets.flatten()
        nats.append(cross_entropy(*both, ignore_index=-100, reduction="sum").item())
        if number < detailed:
            streams.append(cross_entropy(*both, ignore_index=-100, reduction="none").view(rows.shape).sum(0))
    return nats, torch.stack(streams) if streams else torch.empty(0), state
