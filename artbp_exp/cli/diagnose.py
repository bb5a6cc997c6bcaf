"""`artbp-diagnose`: bias, variance, memory and influence at a checkpoint."""

import os
import shlex
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import explained, one_line
from artbp_exp.cli.verify import split
from artbp_exp.errors import UserError

_failed = False


@hydra.main(version_base="1.3", config_path=conf.directory(), config_name="diagnose")
def job(config: DictConfig) -> None:
    """One diagnosis."""
    global _failed
    command = shlex.join(["artbp-diagnose", *(str(o) for o in HydraConfig.get().overrides.task)])
    try:
        settings, own = split(config, "diagnose")
        # torch takes a second to load: not before it is needed
        from artbp_exp.diagnosis.run import diagnose

        print(diagnose(settings, own, command=command))
    except (UserError, OmegaConfBaseException) as error:
        # said here and not raised: Hydra would put lines of its own around it
        print(f"error: {one_line(error)}", file=sys.stderr)
        _failed = True


def main() -> None:
    """Entry point: exit code 2 for a mistake in the settings."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    with explained():
        job()
    sys.exit(2 if _failed else 0)


if __name__ == "__main__":
    main()
