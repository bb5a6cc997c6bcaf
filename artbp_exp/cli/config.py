"""Where Hydra stops: from its configuration to the one frozen configuration of a run."""

import os
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from artbp_exp import registry
from artbp_exp.errors import UserError, nearest
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import identity

NAME = "config"


def directory() -> str:
    """Absolute path of the yaml files."""
    return str(registry.directory())


def arguments(typed: Sequence[str]) -> list[str]:
    """Returns a command line for Hydra, which cannot read `~` in a value: it is expanded, as in `run_dir=~/run`."""
    found = []
    for argument in typed:
        name, equals, value = argument.partition("=")
        parts = [os.path.expanduser(part) if part.startswith("~") else part for part in value.split(",")]  # noqa: PTH111 (as in checks)
        found.append(name + equals + ",".join(parts))
    return found


def run_config(config: DictConfig) -> RunConfig:
    """Returns the run that a composed configuration describes. Hydra must be initialised.

    Raises:
        UserError: a key that is no setting (Hydra accepts `+key=` and `++key=`), a missing one, or a bad value.
    """
    settings = OmegaConf.to_container(config, resolve=True)
    assert isinstance(settings, dict)
    named = {str(key): value for key, value in settings.items()}
    known = _composed()
    for key in named:
        if key not in known:
            raise UserError(f"{key} is not a setting; {nearest(key, known)}")
    for key in known:
        if key not in named:
            raise UserError(f"{key} is missing: every run needs it; leave out ~{key}")
    found = RunConfig.of(named)
    usual = _composed(*(f"{group}={getattr(found, group).name}" for group in ("task", "method")))
    return RunConfig.of(named, usual=identity(usual))


@cache
def _composed(*overrides: str) -> Mapping[str, Any]:
    container = OmegaConf.to_container(hydra.compose(NAME, overrides=list(overrides)), resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
