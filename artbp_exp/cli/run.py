"""`artbp-run`: compose a configuration, train, record."""

import os
import shlex
import sys
import time
import warnings
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException
from tqdm import tqdm

from artbp_exp import checks, registry
from artbp_exp.cli import config as conf
from artbp_exp.cli.errors import explained, one_line
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


def run(settings: dict[str, Any], *, command: str) -> dict[str, Any]:
    """Trains as `settings` say, records, and says the result on the terminal.

    Args:
        settings: a resolved configuration.
        command: that repeats this run; recorded.

    Returns:
        The summary.

    Raises:
        UserError: a setting is wrong, or the folder cannot take the run.
    """
    # torch takes a second to load: not before it is needed
    from artbp_exp.experiment import Experiment
    from artbp_exp.records.folder import RunFolder
    from artbp_exp.records.provenance import peak_memory, provenance

    overwrite = checks.flag("overwrite", settings["overwrite"])
    folder = RunFolder(conf.run_folder(settings), settings, identity=conf.identity)
    if not overwrite and (done := folder.finished()) is not None:
        print(f"already {done['status']}, nothing to do (overwrite=true does it again)\n{folder.path}")
        return done

    began = time.perf_counter()
    experiment = Experiment(settings)
    task = experiment.task
    origin = provenance(command=command, device=experiment.device)
    logger = registry.build("logger", settings["logger"], folder=folder.path)
    folder.open(task.columns)
    logger.start(settings)
    rows: list[dict[str, Any]] = []
    status = "running"
    title = f"{task.name} {settings['method']['name']} seed {settings['seed']}"
    with tqdm(total=task.steps * task.passes, desc=title, unit=task.unit, unit_scale=True, disable=None) as bar:
        for record in experiment.train(tick=bar.update):
            folder.write_row(record.row)
            logger.row(record.row)
            rows.append(record.row)
            status = record.status
            if record.best:
                folder.write_model(experiment.model.state_dict())
    summary = {
        "status": status,
        "task": task.name,
        "method": settings["method"]["name"],
        "length": settings["method"].get("length"),
        "seed": settings["seed"],
        **task.summary(rows),
        **origin,
        "peak_memory_mib": round(peak_memory(experiment.device) / 2**20, 1),
        "wall_seconds": time.perf_counter() - began,
    }
    folder.close(summary, experiment.learner.tally.lengths)
    logger.close(summary)
    print(f"{status}: {task.headline(summary)}\n{folder.path}")
    return summary


def main() -> None:
    """Entry point: user errors are one line and exit code 2; anything else is a bug and keeps its traceback."""
    warnings.showwarning = lambda message, *where, **more: print(f"warning: {message}", file=sys.stderr)
    os.environ["HYDRA_FULL_ERROR"] = "1"  # or Hydra prints its own many lines and exits 1
    with explained():
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
