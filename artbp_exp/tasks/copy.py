"""Copy memory (Hochreiter & Schmidhuber 1997; in this form Arjovsky et al. 2016): repeat symbols after a long blank."""

import math
from functools import partial

import numpy as np

from artbp_exp import checks
from artbp_exp.tasks.base import Levels
from artbp_exp.tasks.losses import MISSING, cross_entropy
from artbp_exp.tasks.trials import HELD_OUT_SEED, IDLE, Data, Trials, in_a_row

HELD_OUT = 1000
"""Episodes."""


def draw(rng: np.random.Generator, steps: int, streams: int, *, symbols: int, length: int, blanks: int) -> Data:
    """Episodes of 3 + 2S + T steps: idle steps, S symbols, T − 1 blanks, a marker, and S blanks to answer in.

    0 to 3 idle steps, drawn, stand before the symbols; what is left of the 3 ends the episode. They are blanks, too.

    Returns:
        inputs (steps, B), int64: 0 … A − 1, A for a blank, A + 1 for the marker; targets (steps, B), `MISSING` before
        the answer and after it.
    """
    episode = IDLE + 2 * length + blanks
    count = steps // episode * streams
    start = rng.integers(0, IDLE + 1, count)
    shown = rng.integers(0, symbols, (length, count))
    inputs, targets = np.full((episode, count), symbols), np.full((episode, count), MISSING)
    each, trial = np.arange(length)[:, None], np.arange(count)
    inputs[start + each, trial] = shown
    inputs[start + length + blanks - 1, trial] = symbols + 1
    targets[start + length + blanks + each, trial] = shown
    return in_a_row(inputs, streams), in_a_row(targets, streams)


def build(
    *, symbols: int = 8, length: int = 3, blanks: int = 20, episodes: int = 1000, batch_size: int = 32, rows: int = 20
) -> Trials:
    """Copy memory: S random symbols, T − 1 blanks, a marker, then the S symbols again; a loss on these answers only.

    Chance is ln A nats a symbol: a model that recalls nothing can only guess. (On average over all T + 2S steps, as it
    is often given, S·ln A / (T + 2S): .173 for S = 10, A = 8, T = 100.) The floor is 0: the symbols were seen.

    Args:
        symbols: A ≥ 2.
        length: S ≥ 1, symbols to remember.
        blanks: T ≥ 1, steps from the last symbol to the first answer, the marker's among them.
        episodes: of each stream; the state begins anew in each.
        batch_size: B.
        rows: of metrics.

    Raises:
        UserError: a value out of range.
    """
    symbols = checks.whole("task.symbols", symbols, at_least=2)
    length = checks.whole("task.length", length, at_least=1)
    blanks = checks.whole("task.blanks", blanks, at_least=1)
    draws = partial(draw, symbols=symbols, length=length, blanks=blanks)
    episode = IDLE + 2 * length + blanks
    return Trials(
        name="copy",
        draw=draws,
        held_out=draws(np.random.default_rng(HELD_OUT_SEED), episode, HELD_OUT),
        loss=cross_entropy,
        levels=Levels(chance=math.log(symbols), floor=0.0),
        shapes={"vocabulary": symbols + 2},
        steps=episode * checks.whole("task.episodes", episodes, at_least=1),
        episode=episode,
        batch_size=checks.whole("task.batch_size", batch_size, at_least=1),
        rows=checks.whole("task.rows", rows, at_least=1),
    )
