"""The streams of a task as places of the data: each reads another."""

from collections.abc import Generator
from typing import Any

from artbp_exp.autograd import map_state
from artbp_exp.diagnosis.measure import as_vector
from artbp_exp.diagnosis.run.checkpoint import beginning_at
from artbp_exp.diagnosis.systematic_bias import Place
from artbp_exp.methods import SegmentMethod
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.tasks.window import Window
from artbp_exp.training.gradient import TaskLoop
from artbp_exp.truncation import bptt
from artbp_exp.verification.oracle import full_bptt
from artbp_exp.verification.progress import progress


def streams(model: RecurrentModel, task: Task, *, engine: str) -> Generator[Place, None, None]:
    """Each stream of a window alone; the model begins at its state until the next is asked for, or this is closed."""
    begins = model.init_state(task.batch_size)
    # runs whatever segments it is given
    method = SegmentMethod(model=model, scheme=bptt.build(), engine=engine)
    with progress(task.batch_size, "streams") as bar:
        for stream in range(task.batch_size):
            one: Any = Window(task, start=0, steps=task.steps, streams=1, first=stream)
            with beginning_at(model, map_state(lambda tensor, at=stream: tensor[at : at + 1], begins)):
                yield TaskLoop(task=one, method=method, trainables=model), as_vector(full_bptt(model, one).gradient)
            bar.update()
