"""One run, one folder: `config.yaml`, `metrics.csv`, `segments.csv`, `summary.json`, `model.pt`."""

import csv
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from artbp_exp.errors import UserError
from artbp_exp.records.summary import read_summary

FINAL = ("finished", "diverged")
"""Statuses of a run that has its result."""


class RunFolder:
    """Writes a run's records. Opening it decides whether the run is to be done at all.

    Args:
        path: the folder; made if it is not there.
        config: the resolved configuration, plain containers.
        identity: configuration → its settings as flat keys, those that make it another computation.

    Attributes:
        path: the folder.
    """

    def __init__(
        self,
        path: str | Path,
        config: Mapping[str, Any],
        *,
        identity: Callable[[Mapping[str, Any]], dict[str, Any]],
    ) -> None:
        self.path = Path(path)
        self._identity = identity
        self._config = dict(config)
        self._columns: list[str] = []

    def finished(self) -> dict[str, Any] | None:
        """The summary of a finished run of this very configuration, None if there is none.

        Raises:
            UserError: the folder holds a run, finished or not, of another configuration.
        """
        if not (self.path / "config.yaml").is_file():
            return None
        try:
            there = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise UserError(
                f"{self.path}/config.yaml cannot be read as YAML; move the folder away or set overwrite=true"
            ) from error
        differing = differences(self._identity(self._config), self._identity(there or {}))
        if differing:
            shown = ", ".join(f"{key}={old} there, {new} now" for key, (new, old) in differing.items())
            raise UserError(
                f"{self.path} already holds a run of another configuration ({shown}); "
                f"choose another run_dir or set overwrite=true"
            )
        summary = read_summary(self.path)
        return summary if summary and summary.get("status") in FINAL else None

    def open(self, columns: Iterable[str]) -> None:
        """Starts the run's files.

        Metrics of an unfinished earlier run are kept as `metrics.unfinished.csv`.

        Args:
            columns: header of `metrics.csv`.

        Raises:
            UserError: the folder cannot be written.
        """
        self._columns = list(columns)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for stale in ("summary.json", "model.pt", "segments.csv"):
                (self.path / stale).unlink(missing_ok=True)
            metrics = self.path / "metrics.csv"
            if metrics.exists():
                metrics.replace(self.path / "metrics.unfinished.csv")
            write_atomically(
                self.path / "config.yaml",
                lambda path: path.write_text(
                    yaml.safe_dump(self._config, sort_keys=False, allow_unicode=True), encoding="utf-8"
                ),
            )
            with metrics.open("w", newline="", encoding="utf-8") as file:
                csv.writer(file, lineterminator="\n").writerow(self._columns)
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Appends a row to `metrics.csv` and flushes it. None is an empty cell.

        Raises:
            UserError: the disk is full, or was taken away.
        """
        try:
            # opened for each row: rows are few, and nothing is left in a buffer when the process dies
            with (self.path / "metrics.csv").open("a", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, fieldnames=self._columns, lineterminator="\n")
                writer.writerow({key: _cell(value) for key, value in row.items()})
        except OSError as error:
            raise _cannot_write(self.path, error) from error

    def write_model(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Writes `model.pt`, loadable with `torch.load(…, weights_only=True)`.

        Raises:
            UserError: it cannot be written.
        """
        on_cpu = {name: tensor.detach().cpu() for name, tensor in parameters.items()}
        try:
            write_atomically(self.path / "model.pt", lambda path: torch.save(on_cpu, path))
        except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
            raise _cannot_write(self.path, error) from error

    def close(self, summary: Mapping[str, Any], lengths: Mapping[int, int]) -> None:
        """Writes `segments.csv` (length in steps, how many were drawn) and, last, `summary.json`.

        Raises:
            UserError: they cannot be written.
        """
        table = "".join(f"{length},{count}\n" for length, count in sorted(lengths.items()))
        text = json.dumps(_finite(dict(summary)), indent=2, ensure_ascii=False, allow_nan=False)
        try:
            write_atomically(
                self.path / "segments.csv",
                lambda path: path.write_text("length,count\n" + table, encoding="utf-8"),
            )
            write_atomically(self.path / "summary.json", lambda path: path.write_text(text + "\n", encoding="utf-8"))
        except OSError as error:
            raise _cannot_write(self.path, error) from error


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys at which two flat configurations differ → (new, old)."""
    keys = [*new, *(key for key in old if key not in new)]
    return {key: (new.get(key), old.get(key)) for key in keys if new.get(key) != old.get(key)}


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Writes to a temporary file beside `path`, flushes it to disk, and renames: whole or not at all."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _cell(value: Any) -> Any:
    return "" if value is None else repr(value) if isinstance(value, float) else value


def _finite(value: Any) -> Any:
    """Strict JSON has no nan and no infinity: they become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(below) for key, below in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(below) for below in value]
    return value


def _cannot_write(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or str(error)
    return UserError(f"cannot write to {path}: {reason}; free the disk or choose another run_dir")
