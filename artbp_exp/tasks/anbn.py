"""aⁿbⁿ (Gers & Schmidhuber 2001; in this form Tallec & Ollivier 2017, arXiv 1702.05043): as many b's as a's."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.tasks.text.lines import Lines

A, B, END = range(3)


@dataclass(frozen=True)
class Counts:
    """Lines `aⁿ↵bⁿ↵`, n drawn uniformly from 1 … `longest`.

    A line has log₂(longest) bits, which the end of its a's tells; the end of its b's costs nothing more, or as much
    again if n is not known. Its mean length is 2·E[n] + 2 = longest + 3.
    """

    longest: int
    symbols = 3

    @property
    def floor(self) -> float:
        """log₂(longest) / (longest + 3) bits per character: of a model that counts."""
        return math.log2(self.longest) / (self.longest + 3)

    @property
    def no_recall(self) -> float:
        """Twice as much: of one that knows the grammar and the odds, and does not count."""
        return 2 * self.floor

    @property
    def recall_chance(self) -> float:
        """Bits that each of the n symbols after the first b costs without counting: log₂(longest) / E[n]."""
        return 2 * math.log2(self.longest) / (self.longest + 1)

    def draw(self, rng: np.random.Generator, steps: int, streams: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Symbols, (T + 1, B) for T = `steps`, and whether each is one that counting tells: all after the first b.

        Each stream begins at a random place of a line, of which nothing counts as told.
        """
        symbols = np.empty((steps + 1, streams), dtype=np.int64)
        told = np.empty((steps + 1, streams), dtype=bool)
        for stream in range(streams):
            counts = rng.integers(1, self.longest + 1, 2 + (steps + 1) // 4)
            start = int(rng.integers(0, 2 * counts[0] + 2))
            counts = counts[: 1 + int(np.searchsorted(np.cumsum(2 * counts + 2), start + steps + 1))]
            one = np.ones_like(counts)
            repeats = np.stack([counts, one, one, counts - 1, one], axis=1).ravel()
            text = np.repeat(np.tile([A, END, B, B, END], len(counts)), repeats)
            after = np.repeat(np.tile([False, False, False, True, True], len(counts)), repeats)
            after[: 2 * counts[0] + 2] = False
            symbols[:, stream], told[:, stream] = text[start:][: steps + 1], after[start:][: steps + 1]
        return symbols, told


def build(
    *,
    longest: int = 32,
    steps: int = 20_000,
    epochs: int = 10,
    batch_size: int = 32,
    carry_state: bool = True,
    divergence: float = 100.0,
    rows_per_epoch: int = 4,
) -> Lines:
    """Lines `aⁿ↵bⁿ↵`, drawn anew each epoch; the loss is in bits per character.

    The floor is log₂ N / (N + 3) for n uniform on 1 … N, .1429 for N = 32: the entropy of a line over its mean length.
    Chance is twice that: without counting, the end of the b's is as uncertain as that of the a's.

    Args:
        longest: N ≥ 2, greatest n.
        steps: T, of an epoch.
        epochs: passes, each over new lines.
        batch_size: B, streams read in parallel.
        carry_state: carry the state across a cut; false starts every segment from the zero state.
        divergence: training bits per character beyond which a run is stopped as diverged.
        rows_per_epoch: rows of metrics an epoch.

    Raises:
        UserError: a value out of range; with N = 1 nothing is to be counted, and chance is the floor.
    """
    return Lines(
        name="anbn",
        text=Counts(checks.whole("task.longest", longest, at_least=2)),
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        carry_state=carry_state,
        divergence=divergence,
        rows_per_epoch=rows_per_epoch,
    )
