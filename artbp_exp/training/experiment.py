"""Assembles a run from its settings: task, model, method, optimiser, trainer."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from artbp_exp import checks, registry
from artbp_exp.errors import UserError
from artbp_exp.methods import Auxiliary, Method, make_method
from artbp_exp.random_streams import RandomStreams
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.run_config import DEVICES, RunConfig
from artbp_exp.tasks.base import Task
from artbp_exp.theory.unbiased import can_cut
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.training.trainer import Record, Tick, Trainer
from artbp_exp.truncation.mean_length import short_mean_warning

TOO_LARGE = re.compile("memory|array is too big|Maximum allowed", re.IGNORECASE)
"""What numpy and torch say of a size that they cannot allocate."""

MANY_STEPS = 10_000
"""Steps for one update beyond which a user is warned."""


class Experiment:
    """A run that is ready to train.

    Attributes:
        task: built from `config.task`.
        model: on `device`.
        method: estimates the gradient.
        trainables: a `ModuleDict` of the model and of whatever learns beside it: boundary, auxiliary loss.
        loop: task and method, as verification and diagnosis take them.
        trainer: trains, stops and goes on; its `state_dict` is a checkpoint.
        device: what it runs on.
    """

    def __init__(self, config: RunConfig) -> None:
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        self.device = find_device(config.device)
        streams = RandomStreams.from_seed(config.seed)
        with fits_in_memory("task", config.task.name):
            self.task = registry.build("task", config.task)
        dtype, autocast = find_precision(config.precision, self.task)
        self.model = self._build_model(config.model, streams.weights).to(device=self.device, dtype=dtype)
        self.task.place(self.device)
        parts: dict[str, Any] = {
            group: registry.build(
                group,
                getattr(config, group),
                offered={
                    "model": self.model,
                    "generator": streams.weights,
                    "rng": streams.anchors,
                    "task": self.task,
                    **self.task.shapes,
                },
            )
            for group in ("boundary", "auxiliary")
        }
        if parts["auxiliary"] is not None and parts["auxiliary"].weight == 0:
            parts["auxiliary"] = None
        self.method = make_method(
            config.method, model=self.model, task=self.task, engine=config.engine, autocast=autocast, **parts
        )
        refuse_idle(parts["auxiliary"], self.method, self.task)
        check_episodes(self.model, self.method, self.task, config.model.name)
        warn_of(self.method, self.task)
        learnt = {"model": self.model} | {name: part for name, part in parts.items() if part is not None}
        self.trainables = nn.ModuleDict(learnt).to(device=self.device, dtype=dtype)
        scheme = self.method.scheme
        updater = registry.build(
            "optimizer",
            config.optimizer,
            parameters=[p for name, part in self.trainables.items() if name != "boundary" for p in part.parameters()],
            offered={
                "mean_length": None if scheme is None else scheme.length or self.task.episode,
                "total_steps": self.task.steps * self.task.passes,
            },
        )
        if parts["boundary"] is not None:
            updater.beside = torch.optim.Adam(self.trainables["boundary"].parameters(), lr=parts["boundary"].lr)
        self.loop = TaskLoop(task=self.task, method=self.method, trainables=self.trainables)
        self.trainer = Trainer(
            loop=self.loop, trainables=self.trainables, updater=updater, cuts=streams.cuts, data=streams.data
        )

    def _build_model(self, settings: Mapping[str, Any], weights: torch.Generator) -> RecurrentModel:
        with fits_in_memory("model", settings["name"]):
            model: RecurrentModel = registry.build("model", settings, generator=weights, **self.task.shapes)
        return model

    def train(self, tick: Tick = lambda steps: None) -> Iterator[Record]:
        """Trains to the end; see `Trainer.run`."""
        return self.trainer.run(tick=tick)


@contextmanager
def fits_in_memory(group: str, name: str) -> Iterator[None]:
    """Within it, a part of a size that numpy or torch cannot allocate is a user error."""
    try:
        yield
    except (MemoryError, OverflowError, RuntimeError, ValueError) as error:
        small = isinstance(error, RuntimeError | ValueError) and not TOO_LARGE.search(str(error))
        if small or isinstance(error, UserError):
            raise
        raise UserError(f"{group}={name} of this size does not fit in memory; take smaller settings of it") from error


def refuse_idle(auxiliary: Auxiliary | None, method: Method, task: Task) -> None:
    """Refuses an auxiliary loss that no segment is long enough for."""
    scheme = getattr(method, "segments", method).scheme  # the longest of method=adaptive
    if auxiliary is None or scheme is None:
        return
    least = auxiliary.least
    if task.episode < least or scheme.survival(least - 1)[-1] == 0:
        raise UserError(
            f"auxiliary={auxiliary.name} needs segments of at least {least} steps, and method={method.name} makes none "
            f"here; take a shorter auxiliary.length, or a longer method.length"
        )


def check_episodes(model: RecurrentModel, method: Method, task: Task, name: str) -> None:
    """Refuses a model whose state grows where its episodes are cut, or never end."""
    if not model.grows:
        return
    if task.episode == task.steps > 1:
        raise UserError(
            f"model={name} keeps a memory of its episode, and task={task.name} is one stream of {task.steps} steps; "
            f"take a task of episodes, such as task=copy"
        )
    refuse_cuts(model, method, task.episode, name)


def refuse_cuts(model: RecurrentModel, method: Method, steps: int, name: str) -> None:
    """Refuses a method that cuts an episode of `steps` steps where the state of `model=name` grows."""
    if model.grows and (method.scheme is None or can_cut(method.scheme, steps)):
        raise UserError(
            f"model={name} keeps a memory of its episode, which method={method.name} does not carry across an update; "
            f"take method=bptt, and model.truncate for the truncation"
        )


def warn_of(method: Method, task: Task) -> None:
    """Warns of a scheme that never cuts a long sequence, or falls short of its mean length."""
    scheme = method.scheme
    if scheme is None:
        return
    if scheme.length is None and task.episode > MANY_STEPS:
        warnings.warn(
            f"method={scheme.name} never cuts: one update for each pass over {task.episode} steps; "
            f"method=artbp estimates the same gradient without bias",
            stacklevel=3,
        )
    if short := short_mean_warning(scheme, task.episode):
        warnings.warn(short, stacklevel=3)


def find_precision(name: str, task: Task) -> tuple[torch.dtype, torch.dtype | None]:
    """The dtype of parameters and states, and the dtype of matrix products where it is another.

    `bfloat16` keeps master weights, states and factors in float32; only matrix products are in bfloat16.
    """
    checks.choice("precision", name, ["auto", "float32", "bfloat16", "float64"])
    if name == "bfloat16" and task.dtype == torch.float64:
        raise UserError(f"precision=bfloat16 makes no sense for task={task.name}; take float64 (its own) or float32")
    if name == "auto":
        return task.dtype, None
    return torch.float64 if name == "float64" else torch.float32, torch.bfloat16 if name == "bfloat16" else None


def find_device(name: str) -> torch.device:
    """The device for `auto` (CUDA where there is one), `cpu` or `cuda`; on CUDA, float32 then means float32."""
    checks.choice("device", name, DEVICES)
    if name == "cuda" and not torch.cuda.is_available():
        raise UserError("device=cuda, but torch finds no CUDA device here; take device=cpu or device=auto")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = False  # or its kernels would multiply with 10 bits, unlike all other products
    return torch.device("cuda")
