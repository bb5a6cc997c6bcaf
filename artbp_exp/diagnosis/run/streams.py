"""The systematic bias of truncated BPTT from the streams of a task, each of which reads another place of the data."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import map_state
from artbp_exp.diagnosis.measure import as_vector
from artbp_exp.diagnosis.run.checkpoint import beginning_at
from artbp_exp.diagnosis.systematic_bias import common_bias, truncation_error
from artbp_exp.methods import make_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import Window
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.progress import progress

LEAST_STREAMS = 2
"""Streams that make a pair."""


def systematic_bias(
    model: RecurrentModel,
    task: Task,
    lengths: list[int],
    *,
    engine: str,
    rng: np.random.Generator,
    enough: Callable[[], bool] = lambda: False,
) -> tuple[dict[int, dict[str, float]], int]:
    """L → `bias2` = ‖E b‖² with its 95 % bootstrap interval over streams, in the gradient's unit, squared.

    Args:
        model: at θ.
        task: a window with two streams or more.
        lengths: L of truncated BPTT.
        engine: as in a run.
        rng: of the bootstrap.
        enough: asked after each stream from the second on whether to do without the others.

    Returns:
        L → bias, and over how many streams.
    """
    begins = model.init_state(task.batch_size)
    errors: dict[int, list[Tensor]] = {length: [] for length in lengths}
    truths: list[Tensor] = []
    with progress(task.batch_size, "streams") as bar:
        for stream in range(task.batch_size):
            one: Any = Window(task, start=0, steps=task.steps, streams=1, first=stream)
            with beginning_at(model, map_state(lambda tensor, at=stream: tensor[at : at + 1], begins)):
                truths.append(as_vector(full_bptt(model, one).gradient))
                for length in lengths:
                    method = make_method({"name": "tbptt", "length": length}, model=model, task=one, engine=engine)
                    loop = TaskLoop(task=one, method=method, trainables=model)
                    errors[length].append(truncation_error(loop, length, stream, truths[-1]))
            bar.update()
            if len(truths) >= LEAST_STREAMS and enough():
                break
    truth = torch.stack(truths).mean(dim=0)
    return {length: common_bias(off, truth, rng=rng) for length, off in errors.items()}, len(truths)
