"""What a tracker is to the rest of the program."""

from collections.abc import Mapping
from typing import Any


class Logger:
    """Follows a run; as it stands, it shows nothing. The run's folder holds everything: a tracker shows it elsewhere.

    A run that was interrupted goes on with a new `start`, and rows from where it goes on.
    """

    def start(self, config: Mapping[str, Any]) -> None:
        """Training begins (or goes on) with this resolved configuration."""

    def row(self, row: Mapping[str, Any]) -> None:
        """A row of `metrics.csv`, with its `step`; None where there is no value."""

    def close(self, summary: Mapping[str, Any]) -> None:
        """The run has its result, the contents of `summary.json`."""
