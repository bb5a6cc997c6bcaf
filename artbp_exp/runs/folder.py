"""One run, one folder: `config.yaml`, `metrics.csv`, `segments.csv`, `summary.json`, `model.pt`, `checkpoint.pt`."""

import csv
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import torch
import yaml

from artbp_exp.errors import UserError
from artbp_exp.files import refuse_links, strict_json, write_atomically, writing
from artbp_exp.run_config import RunConfig
from artbp_exp.runs import checkpoint, lock
from artbp_exp.runs.identity import differences, identity, run_folder, told
from artbp_exp.runs.status import FINAL, data_sha256, read_summary, refuse_another, refuse_other_data

WRITTEN = ("config.yaml", "metrics.csv", "segments.csv", "summary.json", "model.pt", "metrics.unfinished.csv")


class RunFolder:
    """Writes a run's records. Opening it decides whether the run is to be done at all.

    Attributes:
        path: the folder; made if it is missing.
        begun: whether `open` or `resume` has put it to use.
    """

    def __init__(self, config: RunConfig) -> None:
        self.path = run_folder(config)
        self.begun = False
        self._config = config
        self._columns: list[str] = []
        self._data: dict[str, str] = {}
        self._lock = lock.FolderLock(self.path)
        self._bytes = 0

    def finished(self) -> dict[str, Any] | None:
        """The summary of a finished run of this very configuration, None if there is none.

        It refuses a folder that holds a run with other settings, or a finished one with other data.
        """
        refuse_another(self.path, self._config)
        summary = read_summary(self.path)
        if not summary or summary.get("status") not in FINAL:
            return None
        refuse_other_data(self.path, lambda: data_sha256(self._config.task))
        return summary

    def take(self, *, patience: float = 1.0) -> None:
        """Makes the folder and locks it against other processes until `release`, or until this process ends.

        It waits `patience` seconds for a process that is just leaving. A link in the folder that leads elsewhere is
        refused.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            refuse_links(self.path, (*WRITTEN, lock.NAME, checkpoint.NEWEST, checkpoint.PREVIOUS, "tensorboard"))
            self._lock.acquire(patience=patience)

    def tidy(self) -> None:
        """Removes what a process left that was killed between its summary and its end."""
        if any((self.path / name).exists() for name in (lock.NAME, checkpoint.NEWEST, checkpoint.PREVIOUS)):
            with suppress(UserError, OSError):
                self.take(patience=0)
                checkpoint.remove(self.path, damaged=True)

    def release(self) -> None:
        """Lets other processes have the folder."""
        self._lock.release()

    def resume(self, columns: Iterable[str], data: Mapping[str, str]) -> dict[str, Any] | None:
        """Goes on with an unfinished run: puts `metrics.csv` back to where its last whole checkpoint saw it.

        Args:
            columns: header of `metrics.csv`.
            data: file name → sha256, of the files that the task has read.

        Returns:
            What `save` was given, None where there is no checkpoint: the run is then to be started by `open`.

        Raises:
            UserError: the data have changed, or the checkpoint belongs to other settings or to another version of this
                program. Nothing is deleted then.
        """
        self._columns, self._data, self.begun = list(columns), dict(data), True
        with writing(self.path):
            if any((self.path / name).exists() for name in (checkpoint.NEWEST, checkpoint.PREVIOUS)):
                refuse_other_data(self.path, lambda: data)
            state, refused = checkpoint.load(self.path)
            for line in refused:
                print(f"warning: {line}", file=sys.stderr)
            if state is None:
                return None
            if other := differences(identity(self._config), state["settings"]):
                raise UserError(
                    f"{self.path / checkpoint.NEWEST} belongs to a run with other settings ({told(other)}); "
                    f"choose another run_dir, or overwrite=true to start from the beginning"
                )
            metrics, self._bytes = self.path / "metrics.csv", state["metrics_bytes"]
            if not metrics.is_file() or metrics.stat().st_size < self._bytes:
                print(f"warning: {metrics} was cut short; written anew from the checkpoint", file=sys.stderr)
                self._start_metrics()
                if any(set(row) - set(self._columns) for row in state["rows"]):
                    raise UserError(f"the checkpoint in {self.path} has other columns; overwrite=true starts anew")
                for row in state["rows"]:
                    self.write_row(row)
            else:
                # rows after the checkpoint, and a half-written one, will come again
                os.truncate(metrics, self._bytes)
            for stale in ("summary.json", "segments.csv"):
                (self.path / stale).unlink(missing_ok=True)
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Writes `checkpoint.pt`: `state` (the `rows` so far in it), what it belongs to, and where the metrics end."""
        belongs = {"settings": identity(self._config), "metrics_bytes": self._bytes}
        with writing(self.path):
            self._flush_metrics()
            checkpoint.save(self.path, {**state, **belongs})

    def open(self, columns: Iterable[str], data: Mapping[str, str]) -> None:
        """Starts the run's files; arguments as for `resume`.

        Metrics of an unfinished earlier run are kept as `metrics.unfinished.csv`.
        """
        self._columns, self._data, self.begun = list(columns), dict(data), True
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            # the checkpoint first: it must never pass for one of the new configuration
            checkpoint.remove(self.path, damaged=False)
            for stale in ("summary.json", "model.pt", "segments.csv"):
                (self.path / stale).unlink(missing_ok=True)
            metrics = self.path / "metrics.csv"
            if metrics.exists():
                metrics.replace(self.path / "metrics.unfinished.csv")
            self._write_config()
            self._start_metrics()

    def write_row(self, row: Mapping[str, Any]) -> None:
        """Appends a row to `metrics.csv` and flushes it. None is an empty cell."""
        # opened for each row: rows are few, and nothing is left in a buffer when the process dies
        with writing(self.path), (self.path / "metrics.csv").open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, fieldnames=self._columns, lineterminator="\n").writerow(row)
            self._bytes = file.tell()

    def write_model(self, parameters: Mapping[str, torch.Tensor]) -> None:
        """Writes `model.pt`, loadable with `torch.load(…, weights_only=True)`."""
        on_cpu = {name: tensor.detach().cpu() for name, tensor in parameters.items()}
        with writing(self.path, refusals=(OSError, RuntimeError)):  # torch reports a full disk so
            write_atomically(self.path / "model.pt", lambda path: torch.save(on_cpu, path))

    def close(self, summary: Mapping[str, Any], lengths: Mapping[int, int]) -> None:
        """Writes `segments.csv` (length in steps, how many were drawn) and `summary.json`; the checkpoints go."""
        table = "".join(f"{length},{count}\n" for length, count in sorted(lengths.items()))
        with writing(self.path):
            write_atomically(
                self.path / "segments.csv", lambda path: path.write_text("length,count\n" + table, encoding="utf-8")
            )
            # rows first: once there is a summary nobody looks at them again
            self._flush_metrics()
            self._write_summary(summary)
            checkpoint.remove(self.path, damaged=True)

    def leave(self, summary: Mapping[str, Any]) -> None:
        """Says in `summary.json` why there is no result: `status` interrupted or failed, and the `reason`.

        Where even that cannot be written (the disk is full) nothing is said: the missing summary says it.
        """
        with suppress(OSError):
            if not (self.path / "config.yaml").exists():
                self._write_config()
            self._write_summary(summary)

    def _write_config(self) -> None:
        data = {"data_sha256": self._data} if self._data else {}
        text = yaml.safe_dump(self._config.plain() | data, sort_keys=False, allow_unicode=True)
        write_atomically(self.path / "config.yaml", lambda path: path.write_text(text, encoding="utf-8"))

    def _write_summary(self, summary: Mapping[str, Any]) -> None:
        text = strict_json(dict(summary))
        write_atomically(self.path / "summary.json", lambda path: path.write_text(text, encoding="utf-8"))

    def _flush_metrics(self) -> None:
        with (self.path / "metrics.csv").open("rb+") as file:
            os.fsync(file.fileno())

    def _start_metrics(self) -> None:
        with (self.path / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\n").writerow(self._columns)
            self._bytes = file.tell()
