"""What a summary says of a run that could not say it itself."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from artbp_exp.cli import config as conf
from artbp_exp.errors import UserError


def which(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of a summary that tell one run from another at a glance."""
    method = settings["method"]
    return {
        "task": settings["task"].get("name"),
        "method": method.get("name"),
        "length": method.get("length"),
        "seed": settings["seed"],
    }


def mark_failed(settings: dict[str, Any], reason: str) -> None:
    """Writes why a run failed whose process could not do so, unless another process has the folder by now."""
    from artbp_exp.runs.folder import RunFolder

    folder = RunFolder(conf.run_folder(settings), settings, identity=conf.identity)
    with suppress(UserError):
        if folder.finished() is None:
            folder.take()
            folder.leave({"status": "failed", "reason": reason, **which(settings)})
    folder.release()
