"""How a model is trained: the gradient of a segment, and learners that go from segment to segment."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from artbp_exp import checks
from artbp_exp.autograd.engines import ENGINES, estimate, make_estimator
from artbp_exp.optimizers.base import Updater
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.training.closed_form import ClosedFormLearner
from artbp_exp.training.learner import Learner, OnlineLearner
from artbp_exp.training.segment_gradient import Estimate, Estimator
from artbp_exp.training.tally import Tally
from artbp_exp.truncation import Scheme

__all__ = [
    "ENGINES",
    "Estimate",
    "Estimator",
    "Learner",
    "OnlineLearner",
    "Tally",
    "estimate",
    "make_estimator",
    "make_learner",
]


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
    """The learner for a run.

    `plain` is the autograd loop, `fused` a faster equal (the closed form for the synthetic task), `vendor` torch's
    own kernels, `auto` the fastest that fits.

    Raises:
        UserError: an unknown engine, or one that is not to be had for this model.
    """
    checks.choice("engine", engine, ENGINES)
    parts: dict[str, Any] = {"model": model, "task": task, "scheme": scheme, "updater": updater, "cuts": cuts}
    if engine in ("auto", "fused") and autocast is None and ClosedFormLearner.applies(model, task, updater):
        make: Callable[..., Learner] = ClosedFormLearner
        return make(**parts)
    estimator = make_estimator(engine=engine, model=model, memory=scheme.memory, autocast=autocast)
    return OnlineLearner(estimator=estimator, **parts)
