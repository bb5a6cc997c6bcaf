"""Gradients by the production path, and the oracle: plain autograd over the whole sequence."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from artbp_exp.methods import SegmentMethod
from artbp_exp.truncation import Scheme, Segment, bptt, enumerate_cuts
from tests.cells import Case

Gradients = dict[str, Tensor]


def estimate(
    *,
    model: Any,
    loss: Any,
    inputs: Tensor,
    targets: Tensor,
    state: Any,
    segment: Segment,
    engine: str = "plain",
    memory: int | None = None,
    autocast: torch.dtype | None = None,
) -> tuple[float, Any]:
    """One segment by the production path: adds its gradient to `.grad`; (loss, state after it)."""
    method = SegmentMethod(model=model, scheme=bptt.build(), engine=engine, autocast=autocast)
    return method.advance(state, replace(segment, memory=memory), inputs, targets, loss, ends=False)


def full_gradient(case: Case) -> Gradients:
    """Full BPTT, written without the project's unrolling: the loss of each step, added up, differentiated."""
    model = case.model
    state = model.init_state(case.inputs.shape[1])
    total = torch.zeros((), dtype=torch.float64)
    for t in range(case.inputs.shape[0]):
        output, state = model.step(model.encode(case.inputs[t : t + 1])[0], state)
        total = total + case.loss(model.decode(output[None]), case.targets[t : t + 1])
    names, parameters = zip(*model.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(total, parameters), strict=True))


def estimated_gradient(
    case: Case,
    segments: Iterable[Segment],
    *,
    divide_by_length: bool = False,
    engine: str = "plain",
    memory: int | None = None,
) -> Gradients:
    """Sum of the segments' gradients by `estimate`, the state carried on from one to the next."""
    case.model.zero_grad(set_to_none=True)
    state, start = case.model.init_state(case.inputs.shape[1]), 0
    for segment in segments:
        stop = start + segment.length
        scale = 1 / segment.length if divide_by_length else 1.0
        _, state = estimate(
            model=case.model,
            loss=lambda p, t, scale=scale: scale * case.loss(p, t),
            inputs=case.inputs[start:stop],
            targets=case.targets[start:stop],
            state=state,
            segment=segment,
            engine=engine,
            memory=memory,
        )
        start = stop
    assert start == case.inputs.shape[0]
    return {name: p.grad.clone() for name, p in case.model.named_parameters() if p.grad is not None}


def expected_gradient(
    case: Case,
    scheme: Scheme,
    *,
    cut: Callable[[int], Segment] | None = None,
    divide_by_length: bool = False,
    engine: str = "plain",
    memory: int | None = None,
) -> Gradients:
    """Mean of the scheme's gradient over every way to cut the sequence; `cut` stands in for `scheme.segment`."""
    mean = {name: torch.zeros_like(p) for name, p in case.model.named_parameters()}
    for lengths, probability in enumerate_cuts(scheme, case.inputs.shape[0]):
        if probability == 0:
            continue
        segments = [(cut or scheme.segment)(length) for length in lengths]
        for name, gradient in estimated_gradient(
            case, segments, divide_by_length=divide_by_length, engine=engine, memory=memory
        ).items():
            mean[name] += probability * gradient
    return mean


def relative_errors(found: Gradients, wanted: Gradients) -> dict[str, float]:
    """‖found − wanted‖ / ‖wanted‖ for each parameter."""
    assert found.keys() == wanted.keys()
    assert all(g.norm() > 0 for g in wanted.values()), "a gradient of zero proves nothing"
    assert all(g.isfinite().all() for g in found.values()), "the greatest of some errors may not be NaN where one is"
    return {name: float((found[name] - g).norm() / g.norm()) for name, g in wanted.items()}


def flat(gradients: Gradients) -> Tensor:
    return torch.cat([gradients[name].flatten() for name in sorted(gradients)])
