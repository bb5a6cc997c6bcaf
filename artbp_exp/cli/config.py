"""From Hydra's configuration to plain settings: where the yaml files are, what a run's folder is called."""

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from artbp_exp import registry
from artbp_exp.checks import number, path, text, whole
from artbp_exp.errors import UserError, nearest

NAME = "config"

# where and how a run is done, as against what is computed
EXECUTION = ("results_dir", "run_dir", "overwrite", "device", "threads", "logger", "checkpoint")


def directory() -> str:
    """Absolute path of the yaml files."""
    return str(registry.directory())


def arguments(typed: Sequence[str]) -> list[str]:
    """Returns a command line for Hydra, which cannot read `~` in a value: it is expanded, as in `run_dir=~/run`."""
    found = []
    for argument in typed:
        name, equals, value = argument.partition("=")
        parts = [os.path.expanduser(part) if part.startswith("~") else part for part in value.split(",")]  # noqa: PTH111
        found.append(name + equals + ",".join(parts))
    return found


def plain(config: DictConfig) -> dict[str, Any]:
    """The resolved configuration as plain containers.

    Raises:
        UserError: a key that no setting has (Hydra lets `+key=` and `++key=` through), or a bad seed.
    """
    settings = OmegaConf.to_container(config, resolve=True)
    assert isinstance(settings, dict)
    named = {str(key): value for key, value in settings.items()}
    known = _reference({}, choices=False)
    for key in named:
        if key not in known:
            raise UserError(f"{key} is not a setting; {nearest(key, known)}")
    for key in known:
        if key not in named:
            raise UserError(f"{key} is missing: every run needs it; leave out ~{key}")
    for group in registry.PACKAGES:
        if not isinstance(named[group], dict):
            raise UserError(f"{group} must be a choice with settings of its own; got {named[group]!r}")
        text(f"{group}.name", named[group].get("name"))
        if isinstance(folder := named[group].get("data_dir"), str) and folder:
            named[group]["data_dir"] = path(f"{group}.data_dir", folder)
    named["results_dir"] = path("results_dir", named["results_dir"])
    if not isinstance(named["checkpoint"], dict) or set(named["checkpoint"]) != {"minutes"}:
        raise UserError(f"checkpoint has one setting, minutes; got {named['checkpoint']!r}")
    if named["checkpoint"]["minutes"] is not None:
        number("checkpoint.minutes", named["checkpoint"]["minutes"], at_least=0)
    if named["run_dir"] is not None:
        named["run_dir"] = path("run_dir", named["run_dir"])
    return named | {"seed": whole("seed", named["seed"])}


def identity(settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a configuration computes, flattened to dotted keys: all but where and how it is run."""
    flat: dict[str, Any] = {}

    def add(prefix: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, below in value.items():
                add(f"{prefix}.{key}" if prefix else str(key), below)
        else:
            flat[prefix] = value

    add("", {key: value for key, value in settings.items() if key not in EXECUTION})
    return {key: value for key, value in flat.items() if not key.startswith("task.suggest.")}


def run_folder(settings: Mapping[str, Any]) -> Path:
    """`run_dir`, or <results_dir>/<task>/<method and the settings that differ>/seed<k>.

    The settings that differ are told against the defaults of that task and method, so that different
    configurations never share a folder.
    """
    if settings["run_dir"] is not None:
        return Path(settings["run_dir"])
    mine = identity(settings)
    usual = identity(_reference(settings))
    method = mine.pop("method.name")
    parts = [method]
    if "method.length" in mine:
        parts.append(f"length={_short(mine.pop('method.length'))}")
    for key, value in mine.items():
        if key not in ("seed", "experiment") and (key not in usual or usual[key] != value):
            parts.append(f"{key.removeprefix('method.')}={_short(value)}")
    wanted = "-".join(str(part) for part in parts)
    safe = re.sub(r"[^\w.=+-]", "_", wanted)[:180]
    if safe != wanted or wanted.count("=") >= len(parts):
        # two configurations must not meet in one folder because of what a folder cannot be called, or because
        # a value reads like a setting
        safe += "-" + hashlib.sha256(wanted.encode()).hexdigest()[:8]
    return Path(settings["results_dir"], settings["task"]["name"], safe, f"seed{settings['seed']}")


def _short(value: Any) -> str:
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _reference(settings: Mapping[str, Any], *, choices: bool = True) -> dict[str, Any]:
    """The configuration with nothing set but the task and the method."""
    return _composed(*(f"{group}={settings[group]['name']}" for group in ("task", "method") if choices))


@cache
def _composed(*overrides: str) -> dict[str, Any]:
    container = OmegaConf.to_container(hydra.compose(NAME, overrides=list(overrides)), resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
