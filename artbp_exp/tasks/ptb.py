"""Penn Treebank, one character at a time: predict the next symbol."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Levels, Progress, evenly
from artbp_exp.tasks.losses import NATS_PER_BIT, cross_entropy
from artbp_exp.tasks.text.corpus import CORPORA, load
from artbp_exp.tasks.text.evaluation import evaluate


class PennTreebank:
    """Reads the training part as B contiguous streams in parallel, from start to end, once an epoch.

    The loss of a step is the cross-entropy of the next symbol in nats, averaged over streams; reports are in bits per
    character. Validation and test are evaluated each epoch with the state carried from start to end (`evaluate`).
    """

    name = "ptb"
    dtype = torch.float32
    levels: Levels | None = None
    loss = staticmethod(cross_entropy)
    columns = (
        "epoch",
        "step",
        "train_bpc",
        "valid_bpc",
        "test_bpc",
        "segments",
        "mean_length",
        "max_length",
        "symbols_per_second",
        "seconds",
    )

    def __init__(
        self,
        *,
        parts: dict[str, NDArray[np.int64]],
        vocabulary: int,
        batch_size: int,
        epochs: int,
        carry_state: bool,
        divergence: float,
        rows_per_epoch: int,
        sha256: dict[str, str] | None = None,
    ) -> None:
        train = parts["train"]
        per_stream = train.size // batch_size
        streams = train[: per_stream * batch_size].reshape(batch_size, per_stream)
        self.batch_size = batch_size
        self.steps = self.episode = per_stream - 1  # the last symbol of a stream is only a target
        self.passes = epochs
        self.carry_state = carry_state
        self.divergence = divergence * NATS_PER_BIT
        self.shapes: dict[str, Any] = {"vocabulary": vocabulary}
        self.data_sha256 = sha256 or {}
        self._rows_per_epoch = rows_per_epoch
        self._train = torch.from_numpy(np.ascontiguousarray(streams.T))  # (T + 1, B)
        self._held_out = {part: torch.from_numpy(parts[part]) for part in ("valid", "test")}

    def place(self, device: torch.device) -> None:
        """Moves the corpus to `device`."""
        self._train = self._train.to(device)
        self._held_out = {part: symbols.to(device) for part, symbols in self._held_out.items()}

    def begin_pass(self, rng: Any) -> None:
        """Nothing is drawn: every epoch reads the streams from start to end."""

    def window(self, start: int, stop: int) -> tuple[Tensor, Tensor]:
        """Symbols and the symbols that follow them, each (n, B), int64."""
        return self._train[start:stop], self._train[start + 1 : stop + 1]

    def marks(self) -> list[int]:
        """A few rows within each epoch."""
        return evenly(self._rows_per_epoch, self.steps)

    def row(self, progress: Progress, model: RecurrentModel) -> dict[str, Any]:
        """Bits per character; validation and test only at the end of an epoch. `train_bpc` runs from its start."""
        held_out = {f"{part}_bpc": None for part in self._held_out} | (
            {f"{part}_bpc": evaluate(model, symbols) for part, symbols in self._held_out.items()}
            if progress.at_pass_end
            else {}
        )
        seconds = progress.training_seconds
        return {
            "epoch": progress.passes if progress.at_pass_end else progress.passes + 1,
            "step": progress.step,
            "train_bpc": progress.pass_loss / NATS_PER_BIT,
            **held_out,
            **progress.counts(),
            "symbols_per_second": progress.pass_steps * self.batch_size / seconds if seconds else None,
            "seconds": progress.seconds,
        }

    def score(self, row: dict[str, Any]) -> float | None:
        """Bits per character of the validation part."""
        value: float | None = row["valid_bpc"]
        return value

    def summary(self, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Validation and test bits per character at the epoch with the best validation."""
        epochs = [row for row in rows if row["valid_bpc"] is not None]
        best = min(epochs, key=lambda row: row["valid_bpc"], default=None)
        return {
            "valid_bpc": best["valid_bpc"] if best else None,
            "test_bpc": best["test_bpc"] if best else None,
            "best_epoch": best["epoch"] if best else None,
            "epochs": len(epochs),
            "steps": rows[-1]["step"],
        }

    def headline(self, summary: dict[str, Any]) -> str:
        """Validation and test bits per character at the best epoch."""
        if summary["valid_bpc"] is None:
            return "no epoch was completed"
        return (
            f"validation {summary['valid_bpc']:.4f} bpc, test {summary['test_bpc']:.4f} bpc "
            f"(best of {summary['epochs']} epochs: epoch {summary['best_epoch']})"
        )


def build(
    *,
    corpus: str = "text",
    data_dir: str | None = None,
    epochs: int = 20,
    batch_size: int = 64,
    carry_state: bool = True,
    divergence: float = 100.0,
    rows_per_epoch: int = 20,
) -> PennTreebank:
    """Penn Treebank (Mikolov's preparation), one character at a time.

    Args:
        corpus: `text` (the raw text, byte by byte), `char` (MSD+12's character files) or `own` (a text of yours:
            train.txt, valid.txt and test.txt in `data_dir`, read byte by byte).
        data_dir: folder of the corpus; None: data/ptb, downloaded if it is not there.
        epochs: passes over the training part.
        batch_size: B, streams read in parallel.
        carry_state: carry the state across a cut; false starts every segment from the zero state.
        divergence: training bits per character beyond which a run is stopped as diverged.
        rows_per_epoch: rows of metrics an epoch.

    Raises:
        UserError: a value out of range, a missing or altered file, or more streams than the corpus can fill.
    """
    checks.choice("task.corpus", corpus, list(CORPORA))
    batch_size = checks.whole("task.batch_size", batch_size, at_least=1)
    epochs = checks.whole("task.epochs", epochs, at_least=1)
    rows_per_epoch = checks.whole("task.rows_per_epoch", rows_per_epoch, at_least=1)
    checks.flag("task.carry_state", carry_state)
    divergence = checks.number("task.divergence", divergence, above=0)
    text = load(CORPORA[corpus], data_dir, "data/ptb")
    symbols = text.parts["train"].size
    if symbols < 2 * batch_size:
        raise UserError(
            f"task.batch_size={batch_size} is larger than the corpus can fill: its {symbols} training symbols make at "
            f"most {symbols // 2} streams of two symbols"
        )
    return PennTreebank(
        parts=text.parts,
        vocabulary=text.vocabulary,
        sha256=text.sha256,
        batch_size=batch_size,
        epochs=epochs,
        carry_state=carry_state,
        divergence=divergence,
        rows_per_epoch=rows_per_epoch,
    )
