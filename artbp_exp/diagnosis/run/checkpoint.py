"""The parameters and the window of data at which everything is measured."""

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artbp_exp import checks, registry
from artbp_exp.autograd import detach, map_state
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.run_config import Choice, RunConfig
from artbp_exp.runs.status import read_config
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import window
from artbp_exp.training.experiment import Experiment

ANOTHER = "name the folder of another run with diagnose.run=…, or do this one again with artbp-run"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What is measured.

    Attributes:
        model: at θ; it begins at its state after the warm-up.
        task: the window of data after the warm-up. It carries the state across cuts, whatever the run did: full BPTT
            does, and the mean gradient of a truncation that does not is something else.
        wide: the same steps of more streams, over which the systematic bias is estimated.
        batch_size: streams B of the run.
        run_carries: the run's own `carry_state`.
        start: the window's first step.
        whole: the window is a whole episode, or all of a stream: its gradient is the true one.
    """

    model: RecurrentModel
    task: Task
    wide: Task
    batch_size: int
    run_carries: bool
    start: int = 0
    whole: bool = False


def of_run(config: RunConfig, own: Mapping[str, Any]) -> tuple[RunConfig, dict[str, Any]]:
    """`config` with the task, model and optimiser of `diagnose.run`, if one is given; and the settings of its method.

    A `task.data_dir` that is set wins over the run's: the corpus may have moved.
    """
    method: Mapping[str, Any] = config.method
    if own["run"] is not None:
        recorded = _recorded(Path(checks.text("diagnose.run", own["run"])))
        task, model, optimizer = (Choice(recorded[group]) for group in ("task", "model", "optimizer"))
        elsewhere = config.task.get("data_dir")
        if "data_dir" in task and elsewhere is not None:
            task = task.but(data_dir=elsewhere)
        config, method = replace(config, task=task, model=model, optimizer=optimizer), recorded["method"]
    else:
        _check_method(method)
    return config, {key: value for key, value in method.items() if key != "suggest"}


def load(config: RunConfig, own: Mapping[str, Any]) -> Checkpoint:
    """Builds the model, restores its parameters, warms its state up, and takes the window of data that follows.

    Of a task with episodes it takes the whole episode that holds step `start`, and warms nothing up.
    """
    steps = checks.whole("diagnose.steps", own["steps"], at_least=8)
    streams = checks.whole("diagnose.streams", own["streams"], at_least=1)
    many = max(streams, checks.whole("diagnose.bias_streams", own["bias_streams"], at_least=1))
    warm, start = checks.whole("diagnose.warm_up", own["warm_up"]), checks.whole("diagnose.start", own["start"])
    experiment = Experiment(config)
    model = experiment.model
    if own["run"] is not None:
        _restore(model, Path(checks.text("diagnose.run", own["run"])) / "model.pt")
    episode = experiment.task.episode
    if episode < experiment.task.steps:
        steps, warm, start = episode, 0, start - start % episode
    task, wide = (window(experiment.task, start=start + warm, steps=steps, streams=count) for count in (streams, many))
    if warm:
        before = window(experiment.task, start=start, steps=warm, streams=many)
        inputs, _ = before.window(0, warm)
        with torch.no_grad():
            _, state = model(inputs, model.init_state(before.batch_size))
        _begin_at(model, detach(state))
    run_carries = bool(task.carry_state)
    task.carry_state = wide.carry_state = True
    return Checkpoint(
        model=model,
        task=task,
        wide=wide,
        batch_size=experiment.task.batch_size,
        run_carries=run_carries,
        start=start + warm,
        whole=steps == episode,
    )


@contextmanager
def beginning_at(model: RecurrentModel, state: Any) -> Iterator[None]:
    """Makes the model begin at `state`, and within the block only."""
    before = vars(model).get("init_state")
    _begin_at(model, state)
    try:
        yield
    finally:
        del vars(model)["init_state"]
        if before is not None:
            vars(model)["init_state"] = before


def _begin_at(model: RecurrentModel, state: Any) -> None:
    # on this instance: everything that runs the model asks it where to begin
    vars(model)["init_state"] = lambda batch_size: map_state(lambda tensor: tensor[:batch_size], state)


def _recorded(folder: Path) -> dict[str, Any]:
    """The configuration of a run that kept its parameters."""
    for name in ("config.yaml", "model.pt"):
        if not (folder / name).is_file():
            raise UserError(
                f"diagnose.run={folder} holds no {name}; name the folder of one run that has finished, "
                f"results/runs/<task>/<settings>/seed0 say"
            )
    file = folder / "config.yaml"
    found = read_config(folder, ANOTHER) or {}
    for part in ("task", "model", "optimizer", "method"):
        settings = found.get(part)
        if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
            raise UserError(f"{file} is not the configuration of a run: it has no '{part}:' with a name; {ANOTHER}")
    try:
        _check_method(found["method"])
    except UserError as error:
        raise UserError(f"{file}: {error}; {ANOTHER}") from error
    return found


def _check_method(method: Mapping[str, Any]) -> None:
    """Refuses wrong settings of a truncation scheme; those of another method are refused where it is built."""
    if "model" not in inspect.signature(registry.builder("method", method["name"])).parameters:
        registry.build("method", method)


def _restore(model: RecurrentModel, file: Path) -> None:
    """Loads a run's parameters. The file is not trusted: its pickle is not executed, its content is checked."""
    try:
        found = torch.load(file, weights_only=True, map_location="cpu")
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:
        raise UserError(f"{file} cannot be read as parameters (truncated, or another format); {ANOTHER}") from error
    named = isinstance(found, dict) and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in found.items())
    if not named:
        raise UserError(f"{file} holds no parameters of a model; {ANOTHER}")
    there, wanted = ({name: tuple(one.shape) for name, one in each.items()} for each in (found, model.state_dict()))
    if there != wanted:
        (name, *_) = sorted(name for name in {*there, *wanted} if there.get(name) != wanted.get(name))
        raise UserError(
            f"{file} does not fit the model of its config.yaml: {name} has the shape {there.get(name)} there, "
            f"{wanted.get(name)} in the model; {ANOTHER}"
        )
    model.load_state_dict(found)
