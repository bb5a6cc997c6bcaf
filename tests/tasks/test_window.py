"""A window of a task is a task: its first streams, its steps, and nothing beyond."""

import numpy as np
import pytest
import torch

from artbp_exp.errors import UserError
from artbp_exp.tasks import ptb, synthetic
from artbp_exp.tasks.window import window


def test_a_window_of_a_corpus_reads_its_own_steps_and_streams() -> None:
    symbols = np.arange(60) % 5
    task = ptb.PennTreebank(
        parts={"train": symbols, "valid": symbols, "test": symbols},
        vocabulary=5,
        batch_size=3,
        epochs=2,
        carry_state=True,
        divergence=9.0,
        rows_per_epoch=1,
    )
    part = window(task, steps=4, start=7, streams=2)
    assert (part.steps, part.batch_size, part.passes, part.name) == (4, 2, 1, "ptb")
    for mine, whole in zip(part.window(1, 4), task.window(8, 11), strict=True):
        assert torch.equal(mine, whole[:, :2])
    with pytest.raises(UserError, match="a window of 4 steps from step 16 does not fit into the task's 19 steps"):
        window(task, steps=4, start=16)


def test_a_window_of_a_task_without_data_is_of_its_kind() -> None:
    task = synthetic.build(size=5, positive=2, steps=100)
    part = window(task, steps=4)
    assert isinstance(part, synthetic.Synthetic)
    assert (part.steps, task.steps) == (4, 100)
