"""Assembles a run from plain settings: task, model, method, optimiser, learner."""

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from artbp_exp import checks, registry
from artbp_exp.errors import UserError
from artbp_exp.random_streams import Streams
from artbp_exp.tasks.base import Task
from artbp_exp.training import make_learner
from artbp_exp.training.learner import Tick
from artbp_exp.training.trainer import Record, Trainer
from artbp_exp.truncation import Scheme

MOST_THREADS = 1024
MANY_STEPS = 10_000
"""Steps for one update beyond which a user is warned."""


class Experiment:
    """A run that is ready to train.

    Args:
        settings: `task`, `model`, `method` and `optimizer` (each with a `name`), `seed`, `engine`, `precision`,
            `device`, `threads`.

    Attributes:
        task: built from `settings["task"]`.
        model: on `device`.
        scheme: the truncation scheme.
        learner: holds the method and the optimiser.
        trainer: trains, stops and goes on; its `state_dict` is a checkpoint.
        device: what it runs on.

    Raises:
        UserError: a setting is wrong.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        if settings["threads"] is not None:
            torch.set_num_threads(threads_of(settings["threads"]))
        self.device = find_device(settings["device"])
        self._streams = Streams.from_seed(settings["seed"])
        self.scheme = scheme = registry.build("method", settings["method"])
        self.task = registry.build("task", settings["task"])
        try:
            model = registry.build("model", settings["model"], generator=self._streams.weights, **self.task.shapes)
        except (MemoryError, RuntimeError) as error:
            if "memory" not in str(error).lower():
                raise
            raise UserError(f"model={settings['model']['name']} of this size does not fit in memory") from error
        dtype, autocast = find_precision(settings["precision"], self.task)
        self.model = model.to(device=self.device, dtype=dtype)
        self.task.place(self.device)
        if scheme.length is None and self.task.steps > MANY_STEPS:
            warnings.warn(
                f"method={scheme.name} never cuts: one update for each pass over {self.task.steps} steps; "
                f"method=artbp estimates the same gradient without bias",
                stacklevel=2,
            )
        if settings["method"].get("reweight") and certain_cut(scheme):
            warnings.warn(
                f"method={scheme.name} ends every segment at method.length={scheme.length:g}, so that there is "
                f"nothing to reweight: this is truncated BPTT, biased; take a method.length above method.every",
                stacklevel=2,
            )
        updater = registry.build("optimizer", settings["optimizer"], parameters=list(self.model.parameters()))
        self.learner = make_learner(
            engine=settings["engine"],
            model=self.model,
            task=self.task,
            scheme=scheme,
            updater=updater,
            cuts=self._streams.cuts,
            autocast=autocast,
        )
        self.trainer = Trainer(task=self.task, model=self.model, learner=self.learner, data=self._streams.data)

    def train(self, tick: Tick = lambda steps: None) -> Iterator[Record]:
        """Trains to the end; see `Trainer.run`."""
        return self.trainer.run(tick=tick)


def certain_cut(scheme: Scheme) -> bool:
    """Whether every segment has the same length, the scheme's: the first cut that can be made is made for certain."""
    if scheme.length is None or scheme.length > MANY_STEPS:
        return False
    hazard = scheme.hazard(np.arange(1, int(scheme.length) + 1))
    return bool(hazard[-1] == 1 and not hazard[:-1].any())


def threads_of(wanted: Any) -> int:
    """`threads`, of torch.

    Raises:
        UserError: it is not a whole number from 1 to `MOST_THREADS`, beyond which torch may take the process down.
    """
    threads = checks.whole("threads", wanted, at_least=1)
    if threads > MOST_THREADS:
        raise UserError(f"threads must be at most {MOST_THREADS}; got {threads}: take as many as there are cores")
    return threads


def find_precision(name: str, task: Task) -> tuple[torch.dtype, torch.dtype | None]:
    """The dtype of parameters and states, and the dtype of matrix products where it is another.

    `bfloat16` keeps master weights, states and factors in float32; only matrix products are in bfloat16.

    Raises:
        UserError: an unknown name, or bfloat16 for a task whose numbers are float64.
    """
    checks.choice("precision", name, ["auto", "float32", "bfloat16", "float64"])
    if name == "bfloat16" and task.dtype == torch.float64:
        raise UserError(f"precision=bfloat16 makes no sense for task={task.name}; take float64 (its own) or float32")
    if name == "auto":
        return task.dtype, None
    return torch.float64 if name == "float64" else torch.float32, torch.bfloat16 if name == "bfloat16" else None


def find_device(name: str) -> torch.device:
    """The device for `auto` (CUDA where there is one), `cpu` or `cuda`.

    Raises:
        UserError: `cuda` on a machine without, or another name.
    """
    checks.choice("device", name, ["auto", "cpu", "cuda"])
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda, but torch finds no CUDA device here; take device=cpu or device=auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
