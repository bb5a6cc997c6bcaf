"""No tracker: the run's folder holds everything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from artbp_exp.loggers.base import Logger


class NoLogger:
    """Shows nothing."""

    def start(self, config: Mapping[str, Any]) -> None:
        """See `Logger.start`."""

    def row(self, row: Mapping[str, Any]) -> None:
        """See `Logger.row`."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """See `Logger.close`."""


def build(*, folder: Path) -> Logger:
    """No tracker."""
    return NoLogger()
