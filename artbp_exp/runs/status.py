"""What has become of a run, read from its folder: the only place where a sweep's verdict comes from."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from artbp_exp.errors import UserError
from artbp_exp.runs import lock
from artbp_exp.runs.summary import read_summary

Identity = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Configuration → its settings as flat keys, those that make it another computation."""


ADDED = {
    "precision": "auto",
    "method.every": 1,
    "method.memory": 300,
    "boundary.name": "none",
    "auxiliary.name": "none",
}
"""Settings that older runs did not record → the value that computes the same."""


def read_config(path: Path) -> dict[str, Any] | None:
    """A run folder's `config.yaml`, None where there is none. Nothing in it can make the reader do anything.

    Raises:
        UserError: it cannot be read, or is not plain YAML.
    """
    file = path / "config.yaml"
    try:
        if not file.is_file():
            return None
        there = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}; choose another run_dir") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{file} cannot be read as plain YAML; move the folder away or set overwrite=true") from error
    return there if isinstance(there, dict) else {}


def refuse_another(path: Path, config: Mapping[str, Any], identity: Identity) -> None:
    """Refuses a folder that holds a run of another configuration than `config`.

    Raises:
        UserError: it does; names the settings that differ.
    """
    there = read_config(path)
    if there is None:
        return
    differing = differences(identity(config), identity(there))
    if differing:
        raise UserError(
            f"{path} already holds a run of another configuration ({told(differing)}); "
            f"choose another run_dir or set overwrite=true"
        )


def told(differing: Mapping[str, tuple[Any, Any]]) -> str:
    """What `differences` found, in words."""
    return ", ".join(f"{key}={old} there, {new} now" for key, (new, old) in differing.items())


def state(path: Path, config: Mapping[str, Any], identity: Identity) -> tuple[str, str]:
    """(status, reason) of the run of `config` that belongs into `path`.

    The status is finished, diverged, interrupted, failed, killed (begun, and not a word), running, or waiting.
    """
    try:
        refuse_another(path, config, identity)
    except UserError as error:
        return "failed", str(error)
    if lock.held(path):
        return "running", ""
    summary = read_summary(path)
    if summary is not None:
        return str(summary.get("status")), str(summary.get("reason", ""))
    if (path / "config.yaml").is_file():
        return "killed", "its process ended before it could say why"
    return "waiting", ""


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys at which two flat configurations differ → (new, old). A key of `ADDED` may be missing in the old one."""
    keys = [*new, *(key for key in old if key not in new)]
    known = {key: value for key, value in ADDED.items() if key in new} | dict(old)
    return {key: (new.get(key), known.get(key)) for key in keys if new.get(key) != known.get(key)}
