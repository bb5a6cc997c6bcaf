"""How a gradient is estimated, one file each; `make_method` builds the one that a configuration names."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from artbp_exp import registry
from artbp_exp.errors import UserError
from artbp_exp.methods import baseline
from artbp_exp.methods.base import Auxiliary, Boundary, Draw, Method
from artbp_exp.methods.closed_form import ClosedForm
from artbp_exp.methods.segments import SegmentMethod
from artbp_exp.recurrent import RecurrentModel
from artbp_exp.tasks.base import Task
from artbp_exp.truncation import Scheme

__all__ = ["Auxiliary", "Boundary", "ClosedForm", "Draw", "Method", "SegmentMethod", "make_method", "segment_method"]


def make_method(
    settings: Mapping[str, Any],
    *,
    model: RecurrentModel,
    task: Task,
    engine: str = "auto",
    autocast: torch.dtype | None = None,
    boundary: Boundary | None = None,
    auxiliary: Auxiliary | None = None,
) -> Method:
    """The method that `settings["name"]` names: a truncation scheme run in segments, or one of its own kind."""
    parts: dict[str, Any] = {"engine": engine, "autocast": autocast, "boundary": boundary, "auxiliary": auxiliary}
    built = registry.build("method", settings, offered={"model": model, "task": task} | parts)
    if isinstance(built, Scheme):
        return segment_method(built, model=model, task=task, **parts)
    method: Method = built
    if model.grows:
        raise UserError(
            f"method={method.name} takes a state that keeps its size, and that of this model ({type(model).__name__}) "
            f"grows through an episode; take method=bptt"
        )
    taken = inspect.signature(registry.builder("method", method.name)).parameters
    for name, part, value, fits in (
        ("engine", "engine", engine, ("auto", method.engine)),
        ("precision", "autocast", str(autocast or torch.float32).removeprefix("torch."), ("float32",)),
        ("boundary", "boundary", "none" if boundary is None else boundary.name, ("none",)),
        ("auxiliary", "auxiliary", "none" if auxiliary is None else auxiliary.name, ("none",)),
    ):
        if part not in taken and value not in fits:
            raise UserError(f"method={method.name} has no {name}={value}; take {name}={fits[0]}, or method=artbp")
    return method


def segment_method(
    scheme: Scheme,
    *,
    model: RecurrentModel,
    task: Task,
    engine: str = "auto",
    autocast: torch.dtype | None = None,
    boundary: Boundary | None = None,
    auxiliary: Auxiliary | None = None,
) -> Method:
    """A truncation scheme as a method: by segment algebra where that is exact and fast, else by an engine."""
    baseline.refuse_idle(boundary, scheme, task, scheme.name)
    alone = autocast is None and boundary is None and auxiliary is None
    if engine in ("auto", "fused") and alone and ClosedForm.applies(model, task, scheme):
        return ClosedForm(model=model, scheme=scheme)
    method = SegmentMethod(
        model=model, scheme=scheme, engine=engine, autocast=autocast, boundary=boundary, auxiliary=auxiliary
    )
    method.resets = not task.carry_state
    return method
