"""`artbp-diagnose`: bias, variance, memory and influence at a checkpoint."""

import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from artbp_exp import checks
from artbp_exp.cli import config as conf
from artbp_exp.errors import UserError
from artbp_exp.files import try_writing, writing
from artbp_exp.run_config import RunConfig
from artbp_exp.runs.status import read_config

FOLDERS = ("diagnose.run=", "diagnose.out=")


def job(chosen: RunConfig, own: dict[str, Any], *, given: Sequence[str]) -> int:
    """One diagnosis of the command line `given`; with `-m` into a folder of its own, under a command of its own."""
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        alone = list(HydraConfig.get().overrides.task)
        if not named_apart(given):
            own["out"] = f"{checks.text('diagnose.out', own['out'])}/{HydraConfig.get().job.num}"
            alone = [value for value in alone if not value.startswith("diagnose.out=")]
            alone.append(f"diagnose.out={own['out']}")
        given = alone
    print(_diagnose(chosen, own, shlex.join(["artbp-diagnose", *given])))
    return 0


def _diagnose(chosen: RunConfig, own: dict[str, Any], command: str) -> Path:
    """Measures and draws; a folder that cannot be written is refused before anything is computed."""
    out = Path(checks.text("diagnose.out", own["out"]))
    # torch takes a second to load: not before it is needed
    from artbp_exp.diagnosis.run.diagnose import REMEDY, diagnose
    from artbp_exp.evidence.figures.diagnosis import draw

    with writing(out, REMEDY):
        try_writing(out)
    print(diagnose(chosen, own, out=out, command=command), end="")
    draw(out)
    return out


def named_apart(overrides: Sequence[str]) -> bool:
    """Whether `-m` is given a folder for each configuration, so that folders need no number."""
    folders = [value for value in overrides if value.startswith("diagnose.out=")]
    return bool(folders) and bool(set(folders[-1]) & set(",$"))


def quoted(overrides: Sequence[str]) -> list[str]:
    """Quotes folders, because Hydra does not take the `=` in a run's folder; with `-m` each of several."""
    several = bool({"-m", "--multirun"} & set(overrides))
    found = []
    for override in overrides:
        name = next((name for name in FOLDERS if override.startswith(name)), None)
        value = "" if name is None else override.removeprefix(name)
        plain = "=" in value and not set(value) & set("'\"\\$")
        parts = value.split(",") if several else [value]
        found.append(f"{name}{','.join(map(repr, parts))}" if plain else override)
    return found


def with_task(overrides: Sequence[str]) -> list[str]:
    """Adds the task of the run that `diagnose.run` names, unless one is given, so that its settings are known."""
    folders = [value for value in overrides if value.startswith("diagnose.run=")]
    if not folders or any(value.startswith("task=") for value in overrides):
        return list(overrides)
    folder = folders[-1].removeprefix("diagnose.run=")
    if {"-m", "--multirun"} & set(overrides):
        folder = folder.split(",")[0]
    try:
        name = (read_config(Path(folder.strip("'\"")).expanduser()) or {})["task"]["name"]
    except (UserError, TypeError, KeyError):
        return list(overrides)  # a folder that cannot be used is reported when it is read
    known = (Path(conf.directory()) / "task" / f"{name}.yaml").is_file()
    return [f"task={name}", *overrides] if known else list(overrides)


def main() -> None:
    """Entry point: exit code 2 for a mistake in the settings."""
    given = conf.arguments(sys.argv[1:])
    conf.run_each("diagnose", partial(job, given=given), quoted(with_task(given)))


if __name__ == "__main__":
    main()
