"""What a task is to the rest of the program."""

import math
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from artbp_exp.recurrent import RecurrentModel


@dataclass(kw_only=True)
class Progress:
    """How far training has come: what a row of metrics is made of, and what a checkpoint holds of it.

    Attributes:
        step: steps done since the start of the run (a step reads one symbol of each stream).
        passes: whole passes over the sequence done.
        at_pass_end: whether no pass is under way: a row then closes a pass.
        pass_start: step at which the pass began.
        earlier_loss: summed since the pass began, up to the row before.
        row_loss: loss summed since the row before, in the task's unit (nats for characters).
        row_steps: steps done since the row before; it lies in the same pass, or ended the one before.
        lengths: segment length in steps → how many segments, hence updates, since the start of the run.
        diverged: whether the last segment's mean loss a step was not finite or beyond the limit.
        best_score: the best of all rows, by the task's score.
        training_seconds: spent in training since the pass began, evaluation excluded.
        seconds: since the start of the run, everything included, in this process and in those before it.
    """

    step: int = 0
    passes: int = 0
    at_pass_end: bool = True
    pass_start: int = 0
    earlier_loss: float = 0.0
    row_loss: float = 0.0
    row_steps: int = 0
    lengths: dict[int, int] = field(default_factory=dict)
    diverged: bool = False
    best_score: float = math.inf
    training_seconds: float = 0.0
    seconds: float = 0.0

    def begin_pass(self) -> None:
        """A pass begins at this step."""
        self.at_pass_end, self.pass_start = False, self.step
        self.earlier_loss, self.training_seconds = 0.0, 0.0

    def add(self, loss: float, length: int, limit: float) -> None:
        """Counts a segment of `length` steps with summed loss `loss`; a mean beyond `limit` is divergence."""
        self.step += length
        self.row_loss += loss
        self.row_steps += length
        self.lengths[length] = self.lengths.get(length, 0) + 1
        self.diverged = not math.isfinite(loss) or loss > limit * length

    def begin_row(self) -> None:
        """A row was written at this step."""
        self.earlier_loss += self.row_loss
        self.row_loss, self.row_steps = 0.0, 0

    @property
    def pass_steps(self) -> int:
        """Steps done since the pass began."""
        return self.step - self.pass_start

    @property
    def loss(self) -> float:
        """Mean loss a step since the row before; nan if there was no step."""
        return self.row_loss / self.row_steps if self.row_steps else math.nan

    @property
    def pass_loss(self) -> float:
        """Mean loss a step since the pass began; nan if there was no step."""
        return (self.earlier_loss + self.row_loss) / self.pass_steps if self.pass_steps else math.nan

    @property
    def segments(self) -> int:
        """Segments so far."""
        return sum(self.lengths.values())

    @property
    def mean_length(self) -> float:
        """Mean length of the segments so far, in steps; nan if there was none."""
        return self.step / self.segments if self.segments else math.nan

    @property
    def max_length(self) -> int:
        """The longest segment so far, in steps."""
        return max(self.lengths, default=0)

    def counts(self) -> dict[str, Any]:
        """What a row of any task says of the segments."""
        return {name: getattr(self, name) for name in ("segments", "mean_length", "max_length")}


@dataclass(frozen=True, kw_only=True)
class Levels:
    """Between which losses a task is learned.

    Attributes:
        chance: loss of the best prediction that recalls nothing.
        floor: the least that any model can reach, or a bound below it.
    """

    chance: float
    floor: float

    def columns(self, loss: float | None) -> dict[str, float | None]:
        """What a summary says of a held-out `loss`: chance, floor and score, 0 at the floor and 1 at chance."""
        score = None if loss is None else (loss - self.floor) / (self.chance - self.floor)
        return {"chance": self.chance, "floor": self.floor, "score": score}


def evenly(rows: int, steps: int) -> list[int]:
    """Steps of a pass at which `rows` rows are due, evenly spread; the last is due at its end anyway."""
    rows = min(rows, steps)
    return [max(1, round(k / rows * steps)) for k in range(1, rows)]


class Task(Protocol):
    """A data stream, a loss and what to report. Built by `build(...)` of a module in `artbp_exp.tasks`.

    Attributes:
        name: as in `conf/task`.
        steps: T, length of the training sequence in steps, of which a pass reads all.
        episode: steps after which the state begins anew: an episode is a sequence of its own, in which segments are
            drawn for themselves, and no gradient crosses its end. T where the data are one stream.
        passes: how often the sequence is read.
        batch_size: B, streams read in parallel.
        carry_state: whether the state is carried across a cut (the algorithm) or reset to the initial one.
        divergence: a mean loss a step beyond this (or not finite) ends the run as diverged.
        dtype: of the parameters and states.
        levels: chance and floor, which the summary holds beside a score; None where they cannot be told.
        columns: of `metrics.csv`, in order.
        shapes: what the model has to know about the data; passed to its `build`.
        data_sha256: file name → checksum of the files that the data were read from; empty where there are none.
    """

    name: str
    steps: int
    episode: int
    passes: int
    batch_size: int
    carry_state: bool
    divergence: float
    dtype: torch.dtype
    levels: Levels | None
    columns: tuple[str, ...]
    shapes: dict[str, Any]
    data_sha256: dict[str, str]

    def place(self, device: torch.device) -> None:
        """Moves the data to `device`."""

    def begin_pass(self, rng: Any) -> None:
        """Called before each pass with the data's own random stream, for tasks that draw their data.

        A run that was interrupted within a pass calls it again with the stream as it was when the pass began: what
        it draws here, and what it then draws from the stream in order, needs no checkpoint of the task's own.
        """

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Inputs and targets of steps `start` … `stop` − 1 of the pass: (n, B, …) each.

        A step need not have a loss in every stream: its target is then `losses.MISSING`, or nan where it is a number
        and no symbol.
        """

    def loss(self, predictions: Tensor, targets: Tensor) -> Tensor:
        """Loss of a segment, *summed* over its steps and averaged over all B streams: a scalar.

        Summed, because dividing by the actual length of a segment, or by how many targets it has, would favour short
        ones: a bias.
        """

    def marks(self) -> list[int]:
        """Steps of a pass, ascending, at which a row of metrics is due (its end is due anyway)."""

    def row(self, progress: Progress, model: RecurrentModel) -> dict[str, Any]:
        """The row of metrics for `progress`: values for `columns`, None where there is none."""

    def score(self, row: dict[str, Any]) -> float | None:
        """What to keep the best model by (smaller is better); None where a row is no candidate."""

    def summary(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The final numbers of a run with these rows."""

    def headline(self, summary: dict[str, Any]) -> str:
        """The result in one line, for the terminal."""
