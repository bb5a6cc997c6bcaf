"""The adding problem (Hochreiter & Schmidhuber 1997): the sum of two marked numbers among many."""

from functools import partial

import numpy as np

from artbp_exp import checks
from artbp_exp.tasks.base import Levels
from artbp_exp.tasks.losses import squared_error
from artbp_exp.tasks.trials import HELD_OUT_SEED, IDLE, Data, Trials, in_a_row

HELD_OUT = 1000
"""Episodes."""


def draw(rng: np.random.Generator, steps: int, streams: int, *, length: int) -> Data:
    """Episodes of 3 + T steps: T pairs (u, mark), u ~ U[0, 1], with one mark in either half; the rest is idle, zeros.

    0 to 3 idle steps, drawn, stand before the pairs; what is left of the 3 ends the episode.

    Returns:
        inputs (steps, B, 2), float32; targets (steps, B), float32: the sum of the two marked numbers at the last pair,
        else nan.
    """
    episode, half = IDLE + length, length // 2
    count = steps // episode * streams
    start = rng.integers(0, IDLE + 1, count)
    numbers = rng.random((length, count), dtype=np.float32)
    marked = np.stack([rng.integers(0, half, count), rng.integers(half, length, count)])
    inputs = np.zeros((episode, count, 2), dtype=np.float32)
    targets = np.full((episode, count), np.nan, dtype=np.float32)
    trial = np.arange(count)
    inputs[start + np.arange(length)[:, None], trial, 0] = numbers
    inputs[start + marked, trial, 1] = 1
    targets[start + length - 1, trial] = numbers[marked, trial].sum(0)
    return in_a_row(inputs, streams), in_a_row(targets, streams)


def build(*, length: int = 30, episodes: int = 1000, batch_size: int = 32, rows: int = 20) -> Trials:
    """Adding: at the end of T pairs (u, mark) the sum of the two u that are marked; a loss there and nowhere else.

    The loss is the squared error. Chance is 1/6: the variance of a sum of two independent U[0, 1], which a model that
    recalls nothing has when it says 1, the mean. The floor is 0: both numbers were seen.

    Args:
        length: T ≥ 2, pairs.
        episodes: of each stream; the state begins anew in each.
        batch_size: B.
        rows: of metrics.

    Raises:
        UserError: a value out of range.
    """
    length = checks.whole("task.length", length, at_least=2)
    draws = partial(draw, length=length)
    episode = IDLE + length
    return Trials(
        name="adding",
        draw=draws,
        held_out=draws(np.random.default_rng(HELD_OUT_SEED), episode, HELD_OUT),
        loss=squared_error,
        levels=Levels(chance=1 / 6, floor=0.0),
        shapes={"vocabulary": 2, "outputs": 1},
        steps=episode * checks.whole("task.episodes", episodes, at_least=1),
        episode=episode,
        batch_size=checks.whole("task.batch_size", batch_size, at_least=1),
        rows=checks.whole("task.rows", rows, at_least=1),
    )
