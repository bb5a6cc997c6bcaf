"""`artbp-diagnose`: bias, variance, memory and influence at a checkpoint."""

import os
import shlex
import sys
from collections.abc import Sequence

import hydra
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import explained, one_line
from artbp_exp.cli.verify import split
from artbp_exp.errors import UserError

_failed = False
_given: list[str] = []
FOLDERS = ("diagnose.run=", "diagnose.out=")


@hydra.main(version_base="1.3", config_path=conf.directory(), config_name="diagnose")
def job(config: DictConfig) -> None:
    """One diagnosis."""
    global _failed
    command = shlex.join(["artbp-diagnose", *_given])
    try:
        settings, own = split(config, "diagnose")
        # torch takes a second to load: not before it is needed
        from artbp_exp.diagnosis.run import diagnose

        print(diagnose(settings, own, command=command))
    except (UserError, OmegaConfBaseException) as error:
        # said here and not raised: Hydra would put lines of its own around it
        print(f"error: {one_line(error)}", file=sys.stderr)
        _failed = True


def quoted(overrides: Sequence[str]) -> list[str]:
    """Quotes folders for Hydra, to whom the `=` in the name of a run's folder is a mistake."""
    found = []
    for override in overrides:
        name = next((name for name in FOLDERS if override.startswith(name)), None)
        value = "" if name is None else override.removeprefix(name)
        plain = "=" in value and not set(value) & set("'\"\\$")
        found.append(f"{name}'{value}'" if plain else override)
    return found


def main() -> None:
    """Entry point: exit code 2 for a mistake in the settings."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    _given[:] = sys.argv[1:]
    sys.argv[1:] = quoted(_given)
    with explained():
        job()
    sys.exit(2 if _failed else 0)


if __name__ == "__main__":
    main()
