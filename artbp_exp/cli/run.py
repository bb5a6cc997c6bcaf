"""`artbp-run`: one run, or a sweep of them."""

import os
import shlex
import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import entry_point, explained, one_line
from artbp_exp.cli.job import mark_failed, run
from artbp_exp.cli.output import print_anything
from artbp_exp.cli.signals import Stop, handled, preemptible, raise_interrupted
from artbp_exp.cli.sweep.dry_run import dry_run
from artbp_exp.cli.sweep.isolate import isolated, preload
from artbp_exp.cli.sweep.jobs import planned
from artbp_exp.errors import UserError
from artbp_exp.runs.identity import run_folder

SHARED = ("basic", "joblib")
"""Launchers that run a job in a process that goes on to others; a cluster's gives each its own."""

DRY_RUN = "hydra.callbacks.sweep.dry_run=true"
"""What `--dry-run` is to Hydra."""


@hydra.main(version_base="1.3", config_path=conf.directory(), config_name=conf.NAME)
def job(config: DictConfig) -> None:
    """One run, from its configuration to its records. In a sweep, one that fails does not stop the others."""
    context = HydraConfig.get()
    overrides = [str(override) for override in context.overrides.task]
    command = shlex.join(["artbp-run", *overrides])
    # mistakes are printed here and not raised: Hydra would put lines of its own around them
    if context.mode == RunMode.MULTIRUN:
        print_anything()
        try:
            in_sweep(config, str(context.runtime.choices.get("hydra/launcher")), command)
        except (UserError, OmegaConfBaseException) as error:
            print(f"error: {one_line(error)}", file=sys.stderr)
        return
    with explained():
        if context.callbacks["sweep"]["dry_run"]:
            dry_run([planned(overrides, config)], workers=1)
        else:
            run(conf.run_config(config), command=command)


def in_sweep(composed: DictConfig, launcher: str, command: str) -> None:
    """A run of a sweep, in a process of its own where the launcher does not give it one."""
    config = conf.run_config(composed)

    def work(orphaned: Stop) -> None:
        run(config, command=command, in_sweep=True, stop=orphaned)

    if launcher not in SHARED or not hasattr(os, "fork"):
        preemptible(work)
        return
    preload()
    if reason := isolated(work):
        mark_failed(config, reason)
        raise UserError(f"{run_folder(config)} {reason}")


def with_dry_run(arguments: list[str]) -> list[str]:
    """Puts `--dry-run` as Hydra understands it, beside the settings: it wants them in a row."""
    others = [argument for argument in arguments if argument != "--dry-run"]
    if len(others) == len(arguments):
        return others
    first = next((k for k, word in enumerate(others) if "=" in word and not word.startswith("-")), len(others))
    return [*others[:first], DRY_RUN, *others[first:]]


def main() -> None:
    """Entry point: user errors are one line and exit code 2; anything else is a bug and keeps its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra prints its own many lines and exits 1
    sys.argv[1:] = with_dry_run(conf.arguments(sys.argv[1:]))
    only_tells = not {"--help", "--hydra-help", "--cfg", DRY_RUN}.isdisjoint(sys.argv)
    with entry_point(reports=only_tells, options=["--dry-run"]), handled(raise_interrupted):
        job()


if __name__ == "__main__":
    main()
