"""The systematic part of truncated BPTT's bias: what is the same on other data, and so does not average out.

In one window of data truncation errs by what it cuts off there. Some of that is the same in every window and adds up
from update to update; the rest changes with the data and averages out like a variance. Each stream reads another place
of the data, so with b_i the error on stream i the systematic part is ‖E b‖² ≈ mean over pairs i ≠ j of ⟨b_i, b_j⟩.
"""

from typing import Any

import numpy as np
import torch

from artbp_exp import registry
from artbp_exp.autograd import map_state
from artbp_exp.diagnosis.bootstrap import measures, products
from artbp_exp.diagnosis.cut_offsets import shifted
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.probe import Probe
from artbp_exp.verification.stretch import flat

OFFSETS = 2
"""Offsets of the cuts on each stream; the next stream has others."""


class Only:
    """One stream of a window; all else is the window's."""

    def __init__(self, task: Task, stream: int) -> None:
        self._task, self._stream = task, stream
        self.batch_size = 1

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # a copy in the making has no task to ask yet
            raise AttributeError(name)
        return getattr(self._task, name)

    def window(self, start: int, stop: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of steps `start` … `stop` − 1: (n, 1, …) each."""
        inputs, targets = self._task.window(start, stop)
        at = slice(self._stream, self._stream + 1)
        return inputs[:, at], targets[:, at]


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
    begin = model.init_state
    begins = begin(task.batch_size)
    dtype = next(model.parameters()).dtype
    errors: dict[int, list[torch.Tensor]] = {length: [] for length in lengths}
    truths = []
    try:
        for stream in range(task.batch_size):
            alone: Any = Only(task, stream)
            own = map_state(lambda tensor, at=stream: tensor[at : at + 1], begins)
            vars(model)["init_state"] = lambda batch_size, own=own: own
            truths.append(flat(full_bptt(model, alone).gradient).to(dtype))
            for length in lengths:
                scheme = shifted(registry.build("method", {"name": "tbptt", "length": length}), task.steps)
                scheme = scheme.turned(OFFSETS * stream)
                count = min(OFFSETS, len(scheme.firsts))
                drawn = Probe(engine=engine, model=model, task=alone, scheme=scheme).drawn(rng, count)
                errors[length].append(sum(flat(g).to(dtype) for g in drawn) / count - truths[-1])
    finally:
        vars(model)["init_state"] = begin
    truth = torch.stack(truths).mean(dim=0)
    found = {}
    for length, off in errors.items():
        measured = products([truth + one for one in off], truth)
        table = measures(measured, rng=rng)
        found[length] = {f"bias2{end}": table[f"bias2{end}"] * measured.size for end in ("", "_low", "_high")}
    return found
