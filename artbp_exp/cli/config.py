"""Where Hydra stops: from its configuration to the one frozen configuration of a run, for each that was asked for."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, NoReturn

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from artbp_exp import checks, registry
from artbp_exp.cli.errors import entry_point, one_line
from artbp_exp.errors import UserError, nearest
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.identity import identity

NAME = "config"
PATHS = ("csv", "run", "out")
"""Settings of a tool that are paths: `~` in them is expanded."""


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

    Hydra accepts `+key=`, `++key=` and `~key`: a key that is no setting, or a missing one, is a UserError.
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


def split(config: DictConfig, key: str) -> tuple[RunConfig, dict[str, Any]]:
    """The configuration of a run, and the settings of a tool below `key`.

    Raises:
        UserError: one of them is missing or none, or `key` has no settings below it.
    """
    # resolved first: a tool's own settings may refer to the run's
    everything = OmegaConf.to_container(config, resolve=True)
    assert isinstance(everything, dict)
    own = everything.pop(key, None)
    if not isinstance(own, dict):
        raise UserError(f"{key} must have settings below it, as in {key}.steps=…; got {own!r}")
    own |= {name: checks.path(f"{key}.{name}", own[name]) for name in PATHS if isinstance(own.get(name), str)}
    return run_config(OmegaConf.create(everything)), own


def run_each(key: str, job: Callable[[RunConfig, dict[str, Any]], int], given: Sequence[str]) -> NoReturn:
    """Runs the one configuration, or with `-m` one after the other, and exits with the worst code: 2 for a mistake.

    Args:
        key: `verify` or `diagnose`: the name of its yaml, and of its own settings in it.
        job: (a run's configuration, the tool's own settings) → exit code.
        given: the command line.
    """
    codes = [0]

    def one(config: DictConfig) -> None:
        try:
            codes.append(job(*split(config, key)))
        except (UserError, OmegaConfBaseException) as error:
            # printed here and not raised: Hydra would put lines of its own around it
            print(f"error: {one_line(error)}", file=sys.stderr)
            codes.append(2)

    os.environ["HYDRA_FULL_ERROR"] = "1"
    sys.argv[1:] = given
    with entry_point():
        hydra.main(version_base="1.3", config_path=directory(), config_name=key)(one)()
    sys.exit(max(codes))


@cache
def _composed(*overrides: str) -> Mapping[str, Any]:
    container = OmegaConf.to_container(hydra.compose(NAME, overrides=list(overrides)), resolve=True)
    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}
