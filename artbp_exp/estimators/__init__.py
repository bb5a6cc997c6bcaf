"""How a model is trained: the gradient of a segment, and learners that go from segment to segment."""

from collections.abc import Callable

import numpy as np
import torch

from artbp_exp import checks
from artbp_exp.errors import UserError
from artbp_exp.estimators.closed_form import ClosedFormLearner
from artbp_exp.estimators.gradient import Estimate, Estimator, estimate, plain
from artbp_exp.estimators.learner import Learner, OnlineLearner
from artbp_exp.estimators.tally import Tally
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.truncation import Scheme

__all__ = ["Estimate", "Estimator", "Learner", "Tally", "estimate", "make_estimator", "make_learner"]

ENGINES = ("auto", "plain", "fused")


def make_estimator(
    *, engine: str, model: RecurrentModel, memory: int | None = None, autocast: torch.dtype | None = None
) -> Estimator:
    """What runs a segment forward and backward: `plain` step by step on the autograd tape, `auto` the fastest.

    Raises:
        UserError: an unknown engine, or one that the model does not have.
    """
    checks.choice("engine", engine, ENGINES)
    return Estimator(model=model, run=plain(model), memory=memory, autocast=autocast)


def make_learner(
    *,
    engine: str,
    model: RecurrentModel,
    task: Task,
    scheme: Scheme,
    updater: Updater,
    cuts: np.random.Generator,
    autocast: torch.dtype | None = None,
) -> Learner:
    """The learner for a run: `plain` is the autograd loop, `fused` a faster equal, `auto` the fastest that fits.

    Raises:
        UserError: an unknown engine, or `fused` where there is no faster path.
    """
    checks.choice("engine", engine, ENGINES)
    fits = ClosedFormLearner.applies(model, task, updater)
    if engine == "fused" and not fits:
        raise UserError(
            f"engine=fused is not to be had for this model with this task and optimizer "
            f"({type(model).__name__}, {task.name}); take engine=auto or engine=plain"
        )
    if engine in ("auto", "fused") and fits:
        make: Callable[..., Learner] = ClosedFormLearner
        return make(model=model, task=task, scheme=scheme, updater=updater, cuts=cuts)
    estimator = make_estimator(engine=engine, model=model, memory=scheme.memory, autocast=autocast)
    return OnlineLearner(model=model, task=task, scheme=scheme, estimator=estimator, updater=updater, cuts=cuts)
