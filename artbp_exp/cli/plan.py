"""The jobs of a command, without running them."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import one_line
from artbp_exp.errors import UserError
from artbp_exp.runs.config import RunConfig
from artbp_exp.runs.status import state

_plan: list["Planned"] | None = None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A job of a sweep.

    Attributes:
        overrides: what it sets.
        config: the run, None where its settings are wrong.
        error: what is wrong with them.
    """

    overrides: tuple[str, ...]
    config: RunConfig | None
    error: str = ""

    @property
    def folder(self) -> Path | None:
        """Where its run belongs."""
        return None if self.config is None else self.config.folder

    def state(self) -> tuple[str, str]:
        """(status, reason), read from its folder; see `runs.status.state`."""
        return ("failed", self.error) if self.config is None else state(self.config)


def noted(config: DictConfig, overrides: Sequence[str]) -> bool:
    """Called by a job: whether it was only to be planned, and has been."""
    if _plan is None:
        return False
    try:
        _plan.append(Planned(overrides=tuple(overrides), config=conf.run_config(config)))
    except (UserError, OmegaConfBaseException) as error:
        _plan.append(Planned(overrides=tuple(overrides), config=None, error=one_line(error)))
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
