"""The parameters and the stretch of data at which everything is measured."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from artbp_exp import checks
from artbp_exp.autograd import detach, map_state
from artbp_exp.diagnosis.of_run import ANOTHER
from artbp_exp.errors import UserError
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.training.experiment import Experiment
from artbp_exp.verification.stretch import stretch


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What is measured.

    Attributes:
        model: at θ, its state warmed up.
        task: the stretch of data behind the warm-up. It carries the state across cuts, whatever the run did: full BPTT
            does, and a truncation that does not has another gradient as its mean.
        wide: the same steps of more streams, on which truncation's lasting bias is told from what averages out.
        batch_size: streams B of the run.
        run_carries: the run's own `carry_state`.
    """

    model: RecurrentModel
    task: Task
    wide: Task
    batch_size: int
    run_carries: bool


def load(settings: Mapping[str, Any], own: Mapping[str, Any]) -> Checkpoint:
    """The model at its checkpoint, its state warmed up, and the stretch of data behind the warm-up.

    Args:
        settings: from `of_run`.
        own: `diagnose`'s settings: `run`, `steps`, `streams`, `bias_streams`, `warm_up`, `start`.

    Raises:
        UserError: `model.pt` is of another shape, or cannot be read.
    """
    steps = checks.whole("diagnose.steps", own["steps"], at_least=8)
    streams = checks.whole("diagnose.streams", own["streams"], at_least=1)
    many = max(streams, checks.whole("diagnose.bias_streams", own["bias_streams"], at_least=1))
    warm, start = checks.whole("diagnose.warm_up", own["warm_up"]), checks.whole("diagnose.start", own["start"])
    folder = None if own["run"] is None else Path(checks.text("diagnose.run", own["run"]))
    experiment = Experiment(settings)
    model = experiment.model
    if folder is not None:
        _restore(model, folder / "model.pt")
    task, wide = (stretch(experiment.task, start=start + warm, steps=steps, streams=count) for count in (streams, many))
    if warm:
        before = stretch(experiment.task, start=start, steps=warm, streams=many)
        inputs, _ = before.window(0, warm)
        with torch.no_grad():
            _, state = model(inputs, model.init_state(before.batch_size))
        warmed = detach(state)
        # on this instance: every path that trains asks the model where to begin
        vars(model)["init_state"] = lambda batch_size: map_state(lambda tensor: tensor[:batch_size], warmed)
    run_carries = bool(task.carry_state)
    task.carry_state = wide.carry_state = True
    return Checkpoint(model=model, task=task, wide=wide, batch_size=experiment.task.batch_size, run_carries=run_carries)


def _restore(model: RecurrentModel, file: Path) -> None:
    """Puts a run's parameters into its model. Nothing in the file is trusted: neither the content nor the pickle."""
    try:
        found = torch.load(file, weights_only=True, map_location="cpu")
    except MemoryError:
        raise  # says nothing about the file
    except Exception as error:
        raise UserError(f"{file} cannot be read as parameters (cut short, or something else); {ANOTHER}") from error
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
