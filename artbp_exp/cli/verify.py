"""`artbp-verify`: is this configuration's gradient, on average, that of full BPTT? Exit code 0 where that is shown."""

import os
import sys
from pathlib import Path
from typing import Any

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


class Jobs:
    """The configurations that `-m` asks for, one after the other; they share a table unless each names its own."""

    def __init__(self) -> None:
        self.code = 0
        self._written: set[Path] = set()

    def run(self, config: DictConfig) -> None:
        """One verification; `code` keeps the worst exit code."""
        try:
            chosen, own = split(config, "verify")
            self.code = max(self.code, 0 if self._verify(chosen, own) else 1)
        except (UserError, OmegaConfBaseException) as error:
            # printed here and not raised: Hydra would put lines of its own around it
            print(f"error: {one_line(error)}", file=sys.stderr)
            self.code = 2

    def _verify(self, chosen: RunConfig, own: dict[str, Any]) -> bool:
        """Certifies as `own` says, prints, and writes the CSV. Returns whether all is as it should be."""
        # torch takes a second to load: not before it is needed
        from artbp_exp.verification.everything.sweep import sweep
        from artbp_exp.verification.report import one

        path = Path(checks.text("verify.csv", own["csv"]))
        if checks.flag("verify.everything", own["everything"]):
            return sweep(own["steps"], path, threads=chosen.threads)
        done = one(chosen, own, path, below=path in self._written)
        self._written.add(path)
        return done


def split(config: DictConfig, key: str) -> tuple[RunConfig, dict[str, Any]]:
    """Returns the configuration of a run, and the settings of a tool of its own below `key`.

    Args:
        config: as composed.
        key: `verify` or `diagnose`.

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


def main() -> None:
    """Entry point: 0 certified, 1 not (refuted, or not tested), 2 a mistake in the settings."""
    os.environ["HYDRA_FULL_ERROR"] = "1"
    jobs = Jobs()
    with entry_point():
        sys.argv[1:] = conf.arguments(sys.argv[1:])
        hydra.main(version_base="1.3", config_path=conf.directory(), config_name="verify")(jobs.run)()
    sys.exit(jobs.code)


if __name__ == "__main__":
    main()
