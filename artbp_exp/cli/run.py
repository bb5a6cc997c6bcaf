"""`artbp-run`: compose a configuration, train, record."""

import os
import shlex
import sys
import warnings

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import explained, one_line
from artbp_exp.cli.job import run
from artbp_exp.cli.signals import handled, raise_interrupted
from artbp_exp.errors import UserError

_failures: list[Exception] = []
_composed = False


@hydra.main(version_base="1.3", config_path=conf.directory(), config_name=conf.NAME)
def job(config: DictConfig) -> None:
    """One run, from its configuration to its records. In a sweep, one that fails does not stop the others."""
    global _composed
    _composed = True
    overrides = [str(o) for o in HydraConfig.get().overrides.task]
    try:
        run(conf.plain(config), command=shlex.join(["artbp-run", *overrides]))
    except (UserError, OmegaConfBaseException) as error:
        # said here and not raised: Hydra would put lines of its own around it, and report only the first
        print(f"error: {one_line(error)}", file=sys.stderr)
        _failures.append(error)


def main() -> None:
    """Entry point: user errors are one line and exit code 2; anything else is a bug and keeps its traceback."""
    warnings.showwarning = lambda message, *where, **more: print(f"warning: {message}", file=sys.stderr)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra prints its own many lines and exits 1
    with explained(), handled(raise_interrupted):
        try:
            job()
        except ValueError as error:
            # before there is a configuration it is Hydra's word on what was typed (method=null, say); after, a bug
            if _composed:
                raise
            raise UserError(str(error)) from error
    if _failures:
        sys.exit(2)


if __name__ == "__main__":
    main()
