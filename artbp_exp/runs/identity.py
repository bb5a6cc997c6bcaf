"""Which run a configuration is: its identity, its folder's name, its labels. Functions of `RunConfig`."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from artbp_exp.run_config import GROUPS, UNGROUPED, RunConfig, flatten

EXECUTION = (
    *("results_dir", "run_dir", "overwrite", "device", "threads", "logger", "checkpoint", "optimized_metric"),
    "data_sha256",
)
"""Settings that say where and how a run is done, not what is computed."""

COMPUTED = tuple(name for name in (*GROUPS, *UNGROUPED) if name not in EXECUTION)
"""The others, by the first part of their dotted keys."""

ADDED = {
    "precision": "auto",
    "method.every": 1,
    "method.memory": 300,
    "method.phase": "fixed",
    "optimizer.schedule": "constant",
    "optimizer.warmup": 0,
    "optimizer.length_aware": False,
    "optimizer.length_scaling": False,
    "boundary.name": "none",
    "auxiliary.name": "none",
    "model.recurrent_scale": None,
}
"""Settings that older runs did not record → the value that computes the same."""

LABELS = ("experiment",)
"""Settings that name a run and change nothing that it computes."""


def identity(settings: RunConfig | Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a configuration computes, as flat dotted keys: all but where and how it is done.

    A mapping, as an older version recorded it, may hold other keys.
    """
    plain = settings.plain() if isinstance(settings, RunConfig) else settings
    flat = flatten({key: value for key, value in plain.items() if key not in EXECUTION})
    return {key: value for key, value in flat.items() if not key.startswith("task.suggest.")}


def run_folder(config: RunConfig) -> Path:
    """Returns `run_dir`, or `<results_dir>/<task>/<method and the settings that differ>/seed<k>`.

    Different configurations never share a folder.
    """
    if config.run_dir is not None:
        return Path(config.run_dir)
    mine = identity(config)
    parts = [mine.pop("method.name")]
    if "method.length" in mine:
        parts.append(f"length={as_text(mine.pop('method.length'))}")
    usual = ADDED | dict(config.usual)  # a setting that came later does not rename the folders of before
    for key, value in mine.items():
        if key != "seed" and (key not in usual or usual[key] != value):
            parts.append(f"{key.removeprefix('method.')}={as_text(value)}")
    wanted = "-".join(parts)
    safe = re.sub(r"[^\w.=+-]", "_", wanted)[:180]
    if safe != wanted or wanted.count("=") >= len(parts):
        # two configurations must not meet in one folder because a file system lacks a sign, or because a value reads
        # like a setting
        safe += "-" + hashlib.sha256(wanted.encode()).hexdigest()[:8]
    return Path(config.results_dir, config.task.name, safe, f"seed{config.seed}")


def labels(config: RunConfig) -> dict[str, Any]:
    """Returns the entries of a summary that distinguish one run from another at a glance."""
    length = config.method.get("length")
    return {"task": config.task.name, "method": config.method.name, "length": length, "seed": config.seed}


def differences(new: Mapping[str, Any], old: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Keys at which two flat configurations differ → (new, old). A key of `ADDED` may be missing in the old one."""
    keys = [*new, *(key for key in old if key not in new)]
    known = {key: value for key, value in ADDED.items() if key in new} | dict(old)
    return {key: (new.get(key), known.get(key)) for key in keys if new.get(key) != known.get(key)}


def told(differing: Mapping[str, tuple[Any, Any]]) -> str:
    """What `differences` found, in words."""
    return ", ".join(f"{key}={old} there, {new} now" for key, (new, old) in differing.items())


def distinct(settings: Sequence[Mapping[str, object]]) -> list[int]:
    """Index of the first of each group of equal settings, `LABELS` apart; an older run may lack those of `ADDED`.

    Settings are dotted key → value, the seed among them and nothing of where and how a run is done.
    """
    first: dict[tuple[tuple[str, str], ...], int] = {}
    for index, each in enumerate(settings):
        chosen = {name: value for name, value in each.items() if name not in LABELS and ADDED.get(name, ...) != value}
        key = tuple(sorted((name, repr(value)) for name, value in chosen.items()))
        first.setdefault(key, index)
    return list(first.values())


def as_text(value: Any) -> str:
    """A setting's value as an override writes it: null, true, 16."""
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
