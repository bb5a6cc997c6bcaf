"""What the tasks made of trials share: drawn data, held-out data, rows of metrics, chance and floor."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artbp_exp.autograd.state import detach
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Levels, Progress, evenly
from artbp_exp.tasks.losses import has_target

IDLE = 3
"""Idle steps before a trial, at most: drawn, so that no fixed length of segments keeps step with the trials."""

HELD_OUT_SEED = 20170523
"""Held-out trials, texts and images are the same in every run, whatever its seed."""

PIECE = 200
"""Steps of held-out data that a model runs at a time."""

Data = tuple[NDArray[Any], NDArray[Any]]
"""Inputs (T, B, …) and targets (T, B)."""

Draw = Callable[[np.random.Generator, int, int], Data]
"""(random stream, T steps, B streams) → data of a pass."""

Loss = Callable[[Tensor, Tensor], Tensor]


def in_a_row(part: NDArray[Any], streams: int) -> NDArray[Any]:
    """N episodes side by side, (E, N, …), as B streams of N/B episodes one after the other, (E·N/B, B, …)."""
    rest = part.shape[2:]
    apart = part.reshape(len(part), -1, streams, *rest).swapaxes(0, 1)
    return np.ascontiguousarray(apart).reshape(-1, streams, *rest)


class Trials:
    """Trials that are drawn anew for each pass; a loss where something has to be recalled, and only there.

    `loss` and `valid_loss` are means over the targets, in the unit of the loss: nats, or squared.

    Args:
        name: as in `conf/task`.
        draw: a pass.
        held_out: validation data, read from the initial state to the end.
        loss: of predictions and targets, see `Task.loss`.
        levels: chance and floor of the mean loss a target.
        shapes: see `Task`.
        steps: T, of a pass.
        episode: steps of an episode; None makes the trials one stream.
        passes: each of other trials.
        batch_size: B.
        rows: of metrics a pass.
    """

    carry_state = True
    divergence = 1e4
    dtype = torch.float32
    columns = (*("step", "loss", "valid_loss", "valid_accuracy"), *("segments", "mean_length", "max_length", "seconds"))

    def __init__(
        self,
        *,
        name: str,
        draw: Draw,
        held_out: Data,
        loss: Loss,
        levels: Levels,
        shapes: dict[str, Any],
        steps: int,
        episode: int | None = None,
        passes: int = 1,
        batch_size: int,
        rows: int,
    ) -> None:
        self.name, self.loss, self.shapes = name, loss, shapes
        self.levels: Levels | None = levels
        self.steps, self.episode, self.passes, self.batch_size = steps, episode or steps, passes, batch_size
        self.data_sha256: dict[str, str] = {}
        self._draw, self._rows, self._device = draw, rows, torch.device("cpu")
        self._held_out = self._placed(held_out)
        # data to look at before the first pass
        self._data = self._placed(draw(np.random.default_rng(HELD_OUT_SEED), steps, batch_size))

    def _placed(self, data: Data) -> tuple[Tensor, Tensor]:
        inputs, targets = (torch.from_numpy(part).to(self._device) for part in data)
        return inputs, targets

    def place(self, device: torch.device) -> None:
        """Moves the data; those of later passes are drawn on the CPU and moved to `device`."""
        self._device = device
        self._data, self._held_out = ((x.to(device), y.to(device)) for x, y in (self._data, self._held_out))

    def begin_pass(self, rng: Any) -> None:
        """Draws the trials of a pass."""
        self._data = self._placed(self._draw(rng, self.steps, self.batch_size))

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Inputs (n, B, …) and targets (n, B)."""
        inputs, targets = self._data
        return inputs[start:stop], targets[start:stop]

    def marks(self) -> list[int]:
        """So many rows a pass, evenly spread."""
        return evenly(self._rows, self.steps)

    def row(self, progress: Progress, model: RecurrentModel) -> dict[str, Any]:
        """The mean loss of the targets since the row before, and that of the held-out trials."""
        _, targets = self.window(progress.pass_steps - progress.row_steps, progress.pass_steps)
        counted = int(has_target(targets).sum())
        loss, accuracy = self._evaluate(model)
        return {
            "step": progress.step,
            "loss": progress.loss * progress.row_steps * self.batch_size / counted if counted else None,
            "valid_loss": loss,
            "valid_accuracy": accuracy,
            **progress.counts(),
            "seconds": progress.seconds,
        }

    @torch.no_grad()
    def _evaluate(self, model: RecurrentModel) -> tuple[float, float | None]:
        inputs, targets = self._held_out
        state, total, right = model.init_state(inputs.shape[1]), 0.0, 0
        for rows, wanted in zip(inputs.split(PIECE), targets.split(PIECE), strict=True):
            predictions, state = model(rows, state)
            state = detach(state)
            total += self.loss(predictions, wanted).item() * wanted.shape[1]
            right += int((predictions.argmax(-1) == wanted).sum())
        count = int(has_target(targets).sum())
        return total / count, None if targets.is_floating_point() else right / count

    def score(self, row: dict[str, Any]) -> float | None:
        """Mean loss of the held-out trials."""
        found: float = row["valid_loss"]
        return found

    def summary(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The best row's held-out loss between floor and chance; the running loss of the last fifth of the steps."""
        assert self.levels is not None
        best = min(rows, key=lambda row: row["valid_loss"] if math.isfinite(row["valid_loss"]) else math.inf)
        last = rows[-1]["step"]
        late = [row["loss"] for row in rows if row["loss"] is not None and row["step"] > 0.8 * last]
        return {
            "valid_loss": best["valid_loss"],
            "valid_accuracy": best["valid_accuracy"],
            **self.levels.columns(best["valid_loss"]),
            "best_step": best["step"],
            "loss": sum(late) / len(late) if late else None,
            "steps": last,
        }

    def headline(self, summary: dict[str, Any]) -> str:
        """The held-out loss, its score, and the levels that it lies between."""
        accuracy = summary["valid_accuracy"]
        right = "" if accuracy is None else f", {100 * accuracy:.1f} % right"
        return (
            f"validation loss {summary['valid_loss']:.4f} (floor {summary['floor']:.4f}, chance "
            f"{summary['chance']:.4f}): score {summary['score']:.3f} (0: floor, 1: chance){right}"
        )
