"""`artbp-run`: one run, or a sweep of them."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from unittest import mock

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from artbp_exp.cli import config as conf
from artbp_exp.cli import plan
from artbp_exp.cli.dry_run import dry_run
from artbp_exp.cli.errors import entry_point, explained, one_line
from artbp_exp.cli.isolate import Orphaned, isolated, preload
from artbp_exp.cli.job import mark_failed, run
from artbp_exp.cli.signals import handled, raise_interrupted
from artbp_exp.cli.slurm_preemption import preemptible
from artbp_exp.cli.sweep import RELAUNCHED, sweep
from artbp_exp.errors import UserError
from artbp_exp.runs.status import state

# these run a job in a process that goes on to others; a cluster's launcher gives each its own
SHARED = ("basic", "joblib")
_composed = False


MULTIRUN = {"-m", "--multirun", "hydra.mode=MULTIRUN"}
"""What asks Hydra for a sweep."""


@hydra.main(version_base="1.3", config_path=conf.directory(), config_name=conf.NAME)
def job(config: DictConfig) -> None:
    """One run, from its configuration to its records. In a sweep, one that fails does not stop the others."""
    global _composed
    _composed = True
    perform(config)


def perform(config: DictConfig) -> None:
    """What a job does. Apart from `job`, because launchers pickle that with the module it stands in."""
    context = HydraConfig.get()
    overrides = [str(o) for o in context.overrides.task]
    if plan.noted(config, overrides):
        return
    command = shlex.join(["artbp-run", *overrides])
    if context.mode != RunMode.MULTIRUN:
        # said here and not raised: Hydra would put lines of its own around it
        with explained():
            run(conf.run_config(config), command=command)
        return
    try:
        chosen = conf.run_config(config)
        launcher = context.runtime.choices.get("hydra/launcher")
        if launcher == "joblib" and chosen.threads is None:
            chosen = replace(chosen, threads=1)  # the cores are shared out already
        if os.environ.get(RELAUNCHED) and state(chosen)[0] == "failed":
            return

        def work(orphaned: Orphaned) -> None:
            run(chosen, command=command, in_sweep=True, stop=orphaned)

        if launcher in SHARED and hasattr(os, "fork"):
            preload()
            if reason := isolated(work):
                print(f"error: {chosen.folder} {reason}", file=sys.stderr)
                mark_failed(chosen, reason)
        else:
            preemptible(work)
    except (UserError, OmegaConfBaseException) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)


def hydra_main(arguments: Sequence[str]) -> None:
    """Hydra's main with these arguments.

    Raises:
        UserError: Hydra does not understand them.
    """
    global _composed
    _composed = False
    try:
        with mock.patch.object(sys, "argv", [sys.argv[0], *arguments]):
            job()
    except ValueError as error:
        # before there is a configuration it is Hydra's word on what was typed (method=null, say); after, a bug
        if _composed or isinstance(error, UserError):
            raise
        raise UserError(str(error)) from error


def main() -> None:
    """Entry point: user errors are one line and exit code 2; anything else is a bug and keeps its traceback."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra prints its own many lines and exits 1
    arguments = [argument for argument in conf.arguments(sys.argv[1:]) if argument != "--dry-run"]
    with entry_point(reports=False), handled(raise_interrupted):
        if len(arguments) < len(sys.argv) - 1:
            dry_run(plan.plan(hydra_main, arguments), arguments)
        elif MULTIRUN & {argument.lstrip("+") for argument in arguments}:
            sys.exit(sweep(hydra_main, arguments))
        else:
            hydra_main(arguments)


if __name__ == "__main__":
    main()
