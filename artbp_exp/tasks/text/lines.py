"""Next-symbol prediction on lines of a grammar, of which some symbols can only be known by recalling earlier ones."""

from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artbp_exp import checks
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Levels, Progress, evenly
from artbp_exp.tasks.losses import NATS_PER_BIT, cross_entropy
from artbp_exp.tasks.trials import HELD_OUT_SEED

HELD_OUT_STREAMS, HELD_OUT_STEPS, PIECE = 64, 1000, 200


class Grammar(Protocol):
    """Lines of symbols, drawn at random."""

    @property
    def symbols(self) -> int:
        """V."""

    @property
    def floor(self) -> float:
        """Bits per character of a perfect model."""

    @property
    def no_recall(self) -> float:
        """Bits per character of a model that knows all but what it has to recall."""

    @property
    def recall_chance(self) -> float:
        """Bits that one of the symbols to be recalled then costs, on average."""

    def draw(self, rng: np.random.Generator, steps: int, streams: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Symbols, (T + 1, B) for T = `steps`, and whether each has to be recalled; streams begin within a line."""


class Lines:
    """Predicts the next symbol of lines that are drawn anew for each pass.

    T = `steps` is that of an epoch; beyond `divergence` training bits per character a run ends as diverged.
    """

    dtype = torch.float32
    loss = staticmethod(cross_entropy)
    columns = (
        "epoch",
        "step",
        "train_bpc",
        "valid_bpc",
        "floor_bpc",
        "no_recall_bpc",
        "recall_bits",
        "segments",
        "mean_length",
        "max_length",
        "seconds",
    )

    def __init__(
        self,
        *,
        name: str,
        text: Grammar,
        steps: int,
        epochs: int,
        batch_size: int,
        carry_state: bool,
        divergence: float,
        rows_per_epoch: int,
    ) -> None:
        self.name = name
        self.steps = self.episode = checks.whole("task.steps", steps, at_least=1)
        self.passes = checks.whole("task.epochs", epochs, at_least=1)
        self.batch_size = checks.whole("task.batch_size", batch_size, at_least=1)
        self.carry_state = checks.flag("task.carry_state", carry_state)
        self.divergence = checks.number("task.divergence", divergence, above=0) * NATS_PER_BIT
        self.shapes: dict[str, Any] = {"vocabulary": text.symbols}
        self.data_sha256: dict[str, str] = {}
        self.text, self._rows = text, checks.whole("task.rows_per_epoch", rows_per_epoch, at_least=1)
        self.levels = Levels(chance=text.no_recall, floor=text.floor)
        rng = np.random.default_rng(HELD_OUT_SEED)
        self._held_out = tuple(map(torch.from_numpy, text.draw(rng, HELD_OUT_STEPS, HELD_OUT_STREAMS)))
        self._device, self._data = torch.device("cpu"), torch.empty(0)
        self.begin_pass(rng)  # a text to look at before the first pass

    def place(self, device: torch.device) -> None:
        """Moves the texts; those of later passes are drawn on the CPU and moved to `device`."""
        self._device, self._data = device, self._data.to(device)
        self._held_out = tuple(part.to(device) for part in self._held_out)

    def begin_pass(self, rng: Any) -> None:
        """Draws the lines of a pass."""
        self._data = torch.from_numpy(self.text.draw(rng, self.steps, self.batch_size)[0]).to(self._device)

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Symbols and the symbols that follow them, each (n, B), int64."""
        return self._data[start:stop], self._data[start + 1 : stop + 1]

    def marks(self) -> list[int]:
        """A few rows within each epoch."""
        return evenly(self._rows, self.steps)

    def row(self, progress: Progress, model: RecurrentModel) -> dict[str, Any]:
        """Bits per character, and the bits that a recalled symbol costs; validation at the end of an epoch."""
        valid, recall = self._evaluate(model) if progress.at_pass_end else (None, None)
        return {
            "epoch": progress.passes if progress.at_pass_end else progress.passes + 1,
            "step": progress.step,
            "train_bpc": progress.pass_loss / NATS_PER_BIT,
            "valid_bpc": valid,
            "floor_bpc": self.text.floor,
            "no_recall_bpc": self.text.no_recall,
            "recall_bits": recall,
            **progress.counts(),
            "seconds": progress.seconds,
        }

    @torch.no_grad()
    def _evaluate(self, model: RecurrentModel) -> tuple[float, float]:
        symbols, recalls = self._held_out
        state, bits = model.init_state(symbols.shape[1]), []
        for rows in torch.arange(symbols.shape[0] - 1, device=symbols.device).split(PIECE):
            logits, state = model(symbols[rows], state)
            logs = torch.log_softmax(logits, -1).gather(-1, symbols[rows + 1][..., None])[..., 0]
            bits.append(-logs.double() / NATS_PER_BIT)
        every = torch.cat(bits)
        return every.mean().item(), every[recalls[1:]].mean().item()

    def score(self, row: dict[str, Any]) -> float | None:
        """Bits per character of the validation text."""
        value: float | None = row["valid_bpc"]
        return value

    def summary(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """The best epoch's validation, beside the floor and what a model without recall reaches."""
        epochs = [row for row in rows if row["valid_bpc"] is not None]
        best: dict[str, Any] = min(epochs, key=lambda row: row["valid_bpc"], default={})
        return {
            "valid_bpc": best.get("valid_bpc"),
            "recall_bits": best.get("recall_bits"),
            "recall_chance_bits": self.text.recall_chance,
            **self.levels.columns(best.get("valid_bpc")),
            "best_epoch": best.get("epoch"),
            "steps": rows[-1]["step"],
        }

    def headline(self, summary: dict[str, Any]) -> str:
        """Validation at the best epoch between the floor and no recall."""
        if summary["valid_bpc"] is None:
            return "no epoch was completed"
        bits, chance = summary["recall_bits"], summary["recall_chance_bits"]
        return (
            f"validation {summary['valid_bpc']:.4f} bpc (floor {summary['floor']:.4f}, without recall "
            f"{summary['chance']:.4f}): score {summary['score']:.3f} (0: floor, 1: no recall); a recalled symbol costs "
            f"{bits:.3f} bits of {chance:.3f}"
        )
