"""Recall: what was seen k steps ago, and nothing nearer tells of it."""

import math
from functools import partial

import numpy as np

from artbp_exp import checks
from artbp_exp.tasks.base import Levels
from artbp_exp.tasks.losses import MISSING, cross_entropy
from artbp_exp.tasks.trials import HELD_OUT_SEED, IDLE, Data, Trials

HELD_OUT_STREAMS, HELD_OUT_TRIALS = 64, 40


def draw(rng: np.random.Generator, steps: int, streams: int, *, lag: int) -> Data:
    """A stream of trials: the input is (±1 noise, cue flag, query flag); the target at a query the sign at its cue.

    0 to 3 idle steps, drawn, stand before each trial, and up to a whole trial before the first one of a stream, so that
    cuts fall everywhere in a trial and the streams do not keep step.

    Returns:
        inputs (T, B, 3), float32; targets (T, B), int64: 1 for a plus, 0 for a minus, `MISSING` but at a query.
    """
    count = steps // (lag + 1) + 1
    idle = rng.integers(0, IDLE + 1, (count, streams))
    first = rng.integers(0, lag + 1, streams)
    cues = first + np.cumsum(idle, 0) + (lag + 1) * np.arange(count)[:, None]
    inputs = np.zeros((steps, streams, 3), dtype=np.float32)
    inputs[..., 0] = 2 * rng.integers(0, 2, (steps, streams)) - 1
    targets = np.full((steps, streams), MISSING)
    for flag, places in ((1, cues), (2, cues + lag)):
        trials, stream = np.nonzero(places < steps)
        inputs[places[trials, stream], stream, flag] = 1
    queries = places[trials, stream]
    targets[queries, stream] = inputs[queries - lag, stream, 0] > 0
    return inputs, targets


def build(*, lag: int = 10, steps: int = 120_000, batch_size: int = 1, rows: int = 20) -> Trials:
    """Recall-k: at a query the sign that the noise had at the cue, k steps before; a loss there and nowhere else.

    Truncated BPTT with L ≤ k never sees a cue and its query in one segment. Chance is ln 2: a model that recalls
    nothing can do no better than even odds, since the sign is independent of all later inputs. The floor is 0: the
    input determines the sign. (Levels derived here; the task and its name are this project's.)

    Args:
        lag: k ≥ 1, steps from a cue to its query.
        steps: T, of the one pass.
        batch_size: B, streams read in parallel.
        rows: of metrics.

    Raises:
        UserError: a value out of range.
    """
    lag = checks.whole("task.lag", lag, at_least=1)
    draws = partial(draw, lag=lag)
    held_out = HELD_OUT_TRIALS * (lag + IDLE), HELD_OUT_STREAMS
    return Trials(
        name="recall",
        draw=draws,
        held_out=draws(np.random.default_rng(HELD_OUT_SEED), *held_out),
        loss=cross_entropy,
        levels=Levels(chance=math.log(2), floor=0.0),
        shapes={"vocabulary": 3, "outputs": 2},
        steps=checks.whole("task.steps", steps, at_least=1),
        batch_size=checks.whole("task.batch_size", batch_size, at_least=1),
        rows=checks.whole("task.rows", rows, at_least=1),
    )
