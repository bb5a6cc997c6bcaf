"""The jobs of a command, without running them."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import one_line
from artbp_exp.cli.overwrite_guard import overwrites
from artbp_exp.errors import UserError
from artbp_exp.runs.status import state

_plan: list["Planned"] | None = None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A job of a sweep.

    Attributes:
        overrides: what it sets.
        settings: resolved, None where they are wrong.
        error: what is wrong with them.
    """

    overrides: tuple[str, ...]
    settings: dict[str, Any] | None
    error: str = ""

    @property
    def folder(self) -> Path | None:
        """Where its run belongs."""
        return None if self.settings is None else conf.run_folder(self.settings)

    def state(self) -> tuple[str, str]:
        """(status, reason), read from its folder; see `records.status.state`."""
        if self.settings is None or self.folder is None:
            return "failed", self.error
        found = state(self.folder, self.settings, conf.identity)
        try:
            anew = found[0] not in ("waiting", "running") and overwrites(self.settings, self.folder)
        except UserError as error:
            return "failed", str(error)
        return ("waiting", "to be done anew") if anew else found


def noted(config: DictConfig, overrides: Sequence[str]) -> bool:
    """Called by a job: whether it was only to be planned, and has been."""
    if _plan is None:
        return False
    try:
        settings = conf.plain(config)
        settings_folder = conf.run_folder(settings)
        assert settings_folder
        _plan.append(Planned(overrides=tuple(overrides), settings=settings))
    except (UserError, OmegaConfBaseException) as error:
        _plan.append(Planned(overrides=tuple(overrides), settings=None, error=one_line(error)))
    return True


def plan(hydra_main: Callable[[Sequence[str]], None], arguments: Sequence[str]) -> list[Planned]:
    """Lets Hydra expand a command line into its jobs, in their order.

    Args:
        hydra_main: runs Hydra's main with these arguments; its job calls `noted`.
        arguments: of the command line.
    """
    global _plan
    _plan = []
    kept = [
        a for a in arguments if not a.lstrip("+").startswith(("hydra/launcher=", "hydra.launcher.", "hydra.sweep."))
    ]
    try:
        with tempfile.TemporaryDirectory() as nowhere:
            hydra_main([*kept, f"hydra.sweep.dir={nowhere}"])
        return _plan
    finally:
        _plan = None
