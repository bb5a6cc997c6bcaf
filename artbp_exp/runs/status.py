"""What has become of a run, read from its folder: the only source of a sweep's verdict."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.run_config import Choice, RunConfig
from artbp_exp.runs import lock
from artbp_exp.runs.identity import differences, identity, run_folder, told
from artbp_exp.runs.overwrite_guard import overwrites

FINAL = ("finished", "diverged")
"""Statuses of a run that has its result; the others are `interrupted` and `failed`."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""Plain YAML, by libyaml where PyYAML was built with it: five times as fast."""

Checksums = Callable[[Choice], Mapping[str, str]]
"""Task → name of a file of its data → sha256."""


READER = "restore it, or move its folder away"
"""What to do about a `config.yaml` that cannot be read, for who only reads it."""


def read_config(path: Path, remedy: str = "choose another run_dir or set overwrite=true") -> dict[str, Any] | None:
    """A run folder's `config.yaml`, None where there is none. Reading it never runs code from it.

    Args:
        path: the folder.
        remedy: what the user can do if the file cannot be read; of who would write there, unless given.

    Raises:
        UserError: it cannot be read.
    """
    file = path / "config.yaml"
    try:
        if not file.is_file():
            return None
        there = yaml.load(file.read_text(encoding="utf-8"), LOADER)
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; {remedy}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{file} cannot be read as plain YAML; {remedy}") from error
    return there if isinstance(there, dict) else {}


def read_summary(path: Path) -> dict[str, Any] | None:
    """A run folder's `summary.json`: how the run ended. None where there is none or it is broken."""
    try:
        summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) else None


def data_sha256(task: Choice) -> Mapping[str, str]:
    """Checksums of the files that a task reads now; empty where it reads none, or they are not there."""
    try:
        checksums: Mapping[str, str] = registry.build("task", task).data_sha256
    except UserError:
        return {}
    return checksums


def refuse_another(path: Path, config: RunConfig) -> None:
    """Refuses a folder that holds a run with other settings than `config`; names those that differ."""
    there = read_config(path)
    if there is None:
        return
    differing = differences(identity(config), identity(there))
    if differing:
        raise UserError(
            f"{path} already holds a run of another configuration ({told(differing)}); "
            f"choose another run_dir or set overwrite=true"
        )


def refuse_other_data(path: Path, now: Callable[[], Mapping[str, str]]) -> None:
    """Refuses a folder whose run has read files that have changed since; names the file.

    `now` gives their checksums; it is called only where the run has recorded some.
    """
    there = (read_config(path) or {}).get("data_sha256")
    if not isinstance(there, dict):
        return
    current = now()
    for name, checksum in there.items():
        if current.get(name, checksum) != checksum:
            raise UserError(
                f"the text has changed since the run in {path} began: {name} has sha256 {current[name][:12]}… now, "
                f"{str(checksum)[:12]}… then; restore the file, choose another run_dir or set overwrite=true"
            )


def state(config: RunConfig, *, checksums: Checksums = data_sha256) -> tuple[str, str]:
    """(status, reason) of a run; `checksums` gives those of its data (a sweep's remembers them).

    The status is finished, diverged, interrupted, failed, killed (begun, without a word on its end), running, waiting.
    """
    path = run_folder(config)
    if lock.held(path):
        return "running", ""
    if overwrites(config) and (path / "config.yaml").exists():
        return "waiting", "to be done anew"
    try:
        refuse_another(path, config)
        summary = read_summary(path)
        if summary is not None and summary.get("status") in FINAL:
            refuse_other_data(path, lambda: checksums(config.task))
    except UserError as error:
        return "failed", str(error)
    if summary is not None:
        return str(summary.get("status")), str(summary.get("reason", ""))
    if (path / "config.yaml").is_file():
        return "killed", "its process ended before it could say why"
    return "waiting", ""
