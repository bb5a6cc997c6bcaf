"""Settings with the model, the task and the method of the run that is diagnosed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from artbp_exp import checks, registry
from artbp_exp.errors import UserError

ANOTHER = "name the folder of another run with diagnose.run=…, or do this one again with artbp-run"


def of_run(settings: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """`settings`, with the task, the model and the optimiser of `diagnose.run` if one is given.

    Its `task.data_dir` gives way to one that is set: the corpus may lie elsewhere by now.

    Args:
        settings: as composed.
        own: `diagnose`'s: `run`.

    Returns:
        The settings, and `run_method`: `method`, `length`, `schedule`, `alpha`, `reweight` and `every` of the run, or
        of the configured method; None where it has no such setting.

    Raises:
        UserError: no such run folder, or one without `model.pt`, or with a `config.yaml` that is none.
    """
    chosen = dict(settings)
    method = settings["method"]
    if own["run"] is not None:
        config = recorded(Path(checks.text("diagnose.run", own["run"])))
        task = dict(config["task"])
        elsewhere = settings["task"].get("data_dir")
        if "data_dir" in task and elsewhere is not None:
            task["data_dir"] = elsewhere
        chosen |= {"task": task, "model": config["model"], "optimizer": config["optimizer"]}
        method = config["method"]
    kept = {key: method.get(key) for key in ("length", "schedule", "alpha")}
    if kept["schedule"] == "constant":
        kept["alpha"] = None
    kept |= {"reweight": method.get("reweight", True), "every": method.get("every", 1)}
    return chosen | {"run_method": {"method": method["name"], **kept}}


def recorded(folder: Path) -> dict[str, Any]:
    """The configuration of a run that kept its parameters.

    Raises:
        UserError: it did not, or its `config.yaml` cannot be read or is no run's.
    """
    for name in ("config.yaml", "model.pt"):
        if not (folder / name).is_file():
            raise UserError(
                f"diagnose.run={folder} holds no {name}; name the folder of a run that kept its parameters "
                f"(runs of the synthetic task keep none: set model.theta instead)"
            )
    file = folder / "config.yaml"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file} cannot be read as plain YAML; {ANOTHER}") from error
    for part in ("task", "model", "optimizer", "method"):
        settings = found.get(part) if isinstance(found, dict) else None
        if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
            raise UserError(f"{file} is no run's configuration: it has no '{part}:' with a name; {ANOTHER}")
    checked: dict[str, Any] = found
    try:
        registry.build("method", checked["method"])
    except UserError as error:
        raise UserError(f"{file}: {error}; {ANOTHER}") from error
    return checked
