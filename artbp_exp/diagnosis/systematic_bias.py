"""The systematic part of truncated BPTT's bias: what is the same on other data, and so does not average out.

In one window of data truncation errs by what it cuts off there. Some of that is the same in every window and adds up
from update to update; the rest changes with the data and averages out like a variance. Each stream reads another place
of the data, so with b_i the error on stream i the systematic part is ‖E b‖² ≈ mean over pairs i ≠ j of ⟨b_i, b_j⟩.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from artbp_exp.autograd import map_state
from artbp_exp.diagnosis.bootstrap import measures, products
from artbp_exp.diagnosis.checkpoint import beginning_at
from artbp_exp.diagnosis.measure import as_vector, at_offsets, vector
from artbp_exp.methods import make_method
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import Window
from artbp_exp.training.gradient import Loop, TaskLoop
from artbp_exp.truncation import tbptt
from artbp_exp.verification.oracle import full_bptt

OFFSETS = 2
"""Offsets of the cuts in each place of the data; the next place has others."""


def systematic_bias(
    model: RecurrentModel, task: Task, lengths: list[int], *, engine: str, rng: np.random.Generator
) -> dict[int, dict[str, float]]:
    """L → `bias2` = ‖E b‖² with its 95 % bootstrap interval over streams, in the gradient's unit, squared.

    Args:
        model: at θ.
        task: a window with two streams or more.
        lengths: L of truncated BPTT.
        engine: as in a run.
        rng: of the bootstrap.
    """
    begins = model.init_state(task.batch_size)
    errors: dict[int, list[Tensor]] = {length: [] for length in lengths}
    truths = []
    for stream in range(task.batch_size):
        one: Any = Window(task, start=0, steps=task.steps, streams=1, first=stream)
        with beginning_at(model, map_state(lambda tensor, at=stream: tensor[at : at + 1], begins)):
            truths.append(as_vector(full_bptt(model, one).gradient))
            for length in lengths:
                method = make_method({"name": "tbptt", "length": length}, model=model, task=one, engine=engine)
                loop = TaskLoop(task=one, method=method, trainables=model)
                errors[length].append(truncation_error(loop, length, stream, truths[-1]))
    truth = torch.stack(truths).mean(dim=0)
    return {length: common_bias(off, truth, rng=rng) for length, off in errors.items()}


def truncation_error(loop: Loop, length: int, index: int, truth: Tensor) -> Tensor:
    """The mean error of truncated BPTT over `OFFSETS` offsets of its cuts, shape (P,).

    Args:
        loop: of one place of the data.
        length: L of truncated BPTT.
        index: of the place, which chooses the offsets.
        truth: the gradient there, shape (P,).
    """
    passes = at_offsets(tbptt.build(length=length), loop.steps)
    chosen = [passes[(OFFSETS * index + k) % len(passes)] for k in range(min(OFFSETS, len(passes)))]
    return torch.stack([vector(loop, outcome) for outcome in chosen]).mean(dim=0) - truth


def common_bias(errors: list[Tensor], truth: Tensor, *, rng: np.random.Generator) -> dict[str, float]:
    """`bias2`, `bias2_low` and `bias2_high`: ‖E b‖² from errors b in different places, with its bootstrap interval.

    Args:
        errors: b_i, shape (P,) each.
        truth: the mean gradient there, which sets the scale.
        rng: of the bootstrap.
    """
    measured = products([truth + error for error in errors], truth)
    table = measures(measured, rng=rng)
    return {f"bias2{end}": table[f"bias2{end}"] * measured.size for end in ("", "_low", "_high")}
