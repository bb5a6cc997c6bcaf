"""Distant brackets: each line repeats, after a gap of noise, the string that it began with."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.tasks.text.lines import Lines


@dataclass(frozen=True, kw_only=True)
class BracketLines:
    """Lines `[s]r[s]↵`: what can be predicted is the second s, and nothing nearer tells of it.

    Symbols are the letters 0 … A − 1, then `[`, `]` and the line end.

    Attributes:
        letters: A, of which s and r are made.
        string: |s|.
        gaps: least and greatest |r|, which is drawn uniformly for each line.
    """

    letters: int
    string: int
    gaps: tuple[int, int]

    @property
    def symbols(self) -> int:
        """V: the letters, `[`, `]` and the line end."""
        return self.letters + 3

    @property
    def recall_chance(self) -> float:
        """Bits that a letter of the second s costs without recall: log₂ A."""
        return math.log2(self.letters)

    @property
    def floor(self) -> float:
        """Bits per character of a perfect model: the entropy of a line over its mean length.

        (log₂(number of gaps) + (|s| + E|r|)·log₂ A) / (5 + 2|s| + E|r|)
        """
        return self._bits(self.string)

    @property
    def no_recall(self) -> float:
        """Bits per character of a model that knows all but the first s: 2|s| in place of |s|."""
        return self._bits(2 * self.string)

    def _bits(self, unknown: int) -> float:
        gap, kinds = sum(self.gaps) / 2, self.gaps[1] - self.gaps[0] + 1
        return (math.log2(kinds) + (unknown + gap) * math.log2(self.letters)) / (5 + 2 * self.string + gap)

    def draw(self, rng: np.random.Generator, steps: int, streams: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Symbols, (T + 1, B) for T = `steps`, and whether each is one of a second s.

        Each stream begins at a random place of a line, so that cuts fall everywhere in a line whatever their distance.
        """
        low, high = self.gaps
        opens, closes, ends = range(self.letters, self.letters + 3)
        lines = 2 + (steps + 1) // (5 + 2 * self.string + low)
        gaps = rng.integers(low, high + 1, (streams, lines))
        first = rng.integers(0, self.letters, (streams, lines, self.string))
        noise = rng.integers(0, self.letters, (streams, lines, high))
        marks = [np.full((streams, lines, 1), symbol) for symbol in (opens, closes, ends)]
        text = np.concatenate([marks[0], first, marks[1], noise, marks[0], first, marks[1], marks[2]], axis=2)
        kept = np.ones(text.shape, dtype=bool)
        kept[:, :, self.string + 2 : self.string + 2 + high] = np.arange(high) < gaps[:, :, None]
        recalled = np.zeros(text.shape, dtype=bool)
        recalled[:, :, -2 - self.string : -2] = True
        symbols = np.empty((steps + 1, streams), dtype=np.int64)
        recalls = np.empty((steps + 1, streams), dtype=bool)
        for stream in range(streams):
            start = rng.integers(0, int(kept[stream, 0].sum()))
            part = slice(start, start + steps + 1)
            symbols[:, stream] = text[stream][kept[stream]][part]
            recalls[:, stream] = recalled[stream][kept[stream]][part]
        # the second s of a line whose beginning is cut off cannot be known
        lines_begun = np.cumsum(symbols == ends, axis=0) > 0
        return symbols, recalls & lines_begun


def build(
    *,
    letters: int = 10,
    string: int = 1,
    shortest_gap: int = 5,
    longest_gap: int = 5,
    steps: int = 20_000,
    epochs: int = 10,
    batch_size: int = 32,
    carry_state: bool = True,
    divergence: float = 100.0,
    rows_per_epoch: int = 4,
) -> Lines:
    """Lines `[s]r[s]↵` of random letters, drawn anew each epoch; the loss is in bits per character.

    The first letter of s has to be remembered over |s| + |r| + 2 symbols. The floor is the entropy of a line over its
    mean length, (log₂(number of gaps) + (|s| + E|r|)·log₂ A) / (5 + 2|s| + E|r|); at chance, that is without recall,
    the second s costs as much as the first: 2|s| in place of |s|.

    Args:
        letters: A, of which s and r are made.
        string: |s|, letters to be remembered.
        shortest_gap: least |r|; |r| is drawn uniformly for each line.
        longest_gap: greatest |r|.
        steps: T, of an epoch.
        epochs: passes, each over new lines.
        batch_size: B, streams read in parallel.
        carry_state: carry the state across a cut; false starts every segment from the zero state.
        divergence: training bits per character beyond which a run is stopped as diverged.
        rows_per_epoch: rows of metrics an epoch.

    Raises:
        UserError: a value out of range.
    """
    shortest = checks.whole("task.shortest_gap", shortest_gap)
    longest = checks.whole("task.longest_gap", longest_gap)
    if longest < shortest:
        raise UserError(f"task.longest_gap={longest} is less than task.shortest_gap={shortest}: swap them")
    text = BracketLines(
        letters=checks.whole("task.letters", letters, at_least=2),
        string=checks.whole("task.string", string, at_least=1),
        gaps=(shortest, longest),
    )
    return Lines(
        name="brackets",
        text=text,
        steps=steps,
        epochs=epochs,
        batch_size=batch_size,
        carry_state=carry_state,
        divergence=divergence,
        rows_per_epoch=rows_per_epoch,
    )
