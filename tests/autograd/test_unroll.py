"""The plain unrolling, against the fused form of docs/engines.md."""

import numpy as np
import pytest
import torch

from artbp_exp.autograd import unroll
from artbp_exp.truncation import Segment
from tests.cells import NAMES, STREAMS, make_case


@pytest.mark.parametrize("cell", NAMES)
def test_outputs_are_one_a_step_and_ignore_the_factors(cell: str) -> None:
    case = make_case(cell, 6)
    rows, start = case.model.encode(case.inputs), case.model.init_state(STREAMS)
    plain, _ = unroll(case.model.step, rows, start, Segment(length=6, factors=np.ones(5)))
    scaled, _ = unroll(case.model.step, rows, start, Segment(length=6, factors=np.full(5, 3.3)))
    assert len(plain) == 6
    assert all(torch.equal(a, b) for a, b in zip(plain, scaled, strict=True))


def test_gradient_with_respect_to_each_input_scales_by_the_product_of_factors() -> None:
    """Losses scaled by W(t) backpropagate plainly to W(t) times the compensated gradient (docs/engines.md)."""
    case, factors = make_case("lstm", 6), np.array([1.5, 1.2, 2.0, 1.1, 3.0])
    weights = torch.tensor(np.concatenate([[1.0], np.cumprod(factors)]))
    rows = case.model.encode(case.inputs).detach().requires_grad_()
    start = case.model.init_state(STREAMS)

    def per_step_losses(outputs: list[torch.Tensor]) -> torch.Tensor:
        logits = case.model.decode(torch.stack(outputs))
        return torch.stack([case.loss(logits[t : t + 1], case.targets[t : t + 1]) for t in range(6)])

    compensated, _ = unroll(case.model.step, rows, start, Segment(length=6, factors=factors))
    (wanted,) = torch.autograd.grad(per_step_losses(compensated).sum(), rows)
    plain, _ = unroll(case.model.step, rows, start, Segment(length=6, factors=np.ones(5)))
    (scaled,) = torch.autograd.grad((weights * per_step_losses(plain)).sum(), rows)
    torch.testing.assert_close(scaled / weights[:, None, None], wanted, rtol=1e-12, atol=1e-15)


def test_gradient_flows_into_the_state_before_the_segment_if_asked() -> None:
    case = make_case("rnn", 3)
    start = torch.zeros(STREAMS, 3, dtype=torch.float64, requires_grad=True)
    outputs, last = unroll(
        case.model.step, case.model.encode(case.inputs), start, Segment(length=3, factors=np.ones(2))
    )
    assert last.requires_grad
    sum(output.sum() for output in outputs).backward()
    assert start.grad.abs().sum() > 0
