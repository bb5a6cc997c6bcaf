"""TensorBoard: event files in the folder `tensorboard` of the run's own."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from artbp_exp.errors import UserError
from artbp_exp.files import writing
from artbp_exp.loggers.base import Logger
from artbp_exp.run_config import flatten

X_AXIS = "step"


class TensorBoardLogger(Logger):
    """Every numeric column against the step; the configuration as text, and as hyperparameters with the result."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config: dict[str, Any] = {}
        self._writer: Any = None
        self._step = 0

    def start(self, config: Mapping[str, Any]) -> None:
        """See `Logger.start`. The event file is made with the first row."""
        self._config = dict(config)

    def row(self, row: Mapping[str, Any]) -> None:
        """See `Logger.row`."""
        self._step = int(row[X_AXIS])
        if self._writer is None:
            self._open()
        with writing(self._folder, "free the disk or set logger=none"):
            for name, value in row.items():
                if name != X_AXIS and _is_number(value):
                    self._writer.add_scalar(name, value, self._step)
            self._writer.flush()  # a run that is killed has shown what it recorded

    def close(self, summary: Mapping[str, Any]) -> None:
        """See `Logger.close`."""
        from torch.utils.tensorboard.summary import hparams

        if self._writer is None:
            return
        result = {f"result/{key}": float(value) for key, value in summary.items() if _is_number(value)}
        settings = {key: value if _is_number(value) else str(value) for key, value in flatten(self._config).items()}
        for part in hparams(settings, dict.fromkeys(result, 0.0)):
            self._writer.file_writer.add_summary(part)
        for name, number in result.items():
            self._writer.add_scalar(name, number, self._step)
        self._writer.close()

    def _open(self) -> None:
        from torch.utils.tensorboard import SummaryWriter

        # what an earlier, interrupted (or overwritten) run wrote from here on is void: it is written again
        self._writer = SummaryWriter(str(self._folder), purge_step=self._step)
        listing = yaml.safe_dump(self._config, sort_keys=False, allow_unicode=True)
        self._writer.add_text("config", "    " + listing.replace("\n", "\n    "), self._step)


def build(*, folder: Path) -> Logger:
    """TensorBoard event files in the run's folder; `tensorboard --logdir <results_dir>` shows them.

    Args:
        folder: the run's.

    Raises:
        UserError: the package tensorboard is not installed.
    """
    try:
        importlib.import_module("torch.utils.tensorboard")
    except ImportError as error:
        raise UserError(
            "logger=tensorboard needs the package tensorboard: pip install '.[tensorboard]' (or set logger=none)"
        ) from error
    return TensorBoardLogger(folder / "tensorboard")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
