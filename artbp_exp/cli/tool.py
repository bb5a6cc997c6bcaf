"""What a tool with settings of its own beside a run's does: `artbp-verify` and `artbp-diagnose`."""

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from artbp_exp import checks
from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import entry_point, one_line
from artbp_exp.errors import UserError
from artbp_exp.run_config import RunConfig

PATHS = ("csv", "run", "out")
"""Settings of a tool that are paths: `~` in them is expanded."""


def run_each(key: str, job: Callable[[RunConfig, dict[str, Any]], int], arguments: Sequence[str]) -> NoReturn:
    """Runs the one configuration, or with `-m` one after the other, and exits with the worst code: 2 for a mistake.

    Args:
        key: `verify` or `diagnose`: the name of its yaml, and of its own settings in it.
        job: (a run's configuration, the tool's own settings) → exit code.
        arguments: the command line.
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
    sys.argv[1:] = arguments
    with entry_point():
        hydra.main(version_base="1.3", config_path=conf.directory(), config_name=key)(one)()
    sys.exit(max(codes))


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
    return conf.run_config(OmegaConf.create(everything)), own
