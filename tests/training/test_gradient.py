"""What `estimate` hands back, and what a long product of factors does in single precision."""

import numpy as np
import pytest
import torch

from artbp_exp.autograd import leaves
from artbp_exp.truncation import Segment
from tests.cells import NAMES, STREAMS, Case, make_case
from tests.gradients import estimate


def run(case: Case, state, segment: Segment):
    return estimate(
        model=case.model,
        loss=case.loss,
        inputs=case.inputs[: segment.length],
        targets=case.targets[: segment.length],
        state=state,
        segment=segment,
    )


@pytest.mark.parametrize("cell", NAMES)
def test_loss_and_state_are_those_of_a_forward_pass(cell: str) -> None:
    case = make_case(cell, 5)
    start = case.model.init_state(STREAMS)
    loss, state = run(case, start, Segment(length=5, factors=np.array([3.0, 0.5, 2.0, 7.0])))
    with torch.no_grad():
        predictions, last = case.model(case.inputs, start)
    assert loss == pytest.approx(case.loss(predictions, case.targets).item(), rel=1e-14)
    for found, wanted in zip(leaves(state), leaves(last), strict=True):
        assert not found.requires_grad
        torch.testing.assert_close(found, wanted, rtol=1e-14, atol=0)


def test_gradients_of_several_segments_add_up() -> None:
    case = make_case("lstm", 4)
    segment = Segment(length=4, factors=np.ones(3))
    run(case, case.model.init_state(STREAMS), segment)
    once = {name: p.grad.clone() for name, p in case.model.named_parameters()}
    run(case, case.model.init_state(STREAMS), segment)
    for name, p in case.model.named_parameters():
        torch.testing.assert_close(p.grad, 2 * once[name], rtol=1e-14, atol=0)


def test_no_gradient_flows_into_the_state_before_the_segment() -> None:
    case = make_case("rnn", 3)
    _, state = run(case, case.model.init_state(STREAMS), Segment(length=3, factors=np.ones(2)))
    assert state.grad_fn is None


def test_a_segment_of_one_step_has_no_factor() -> None:
    case = make_case("gru", 1)
    loss, _ = run(case, case.model.init_state(STREAMS), Segment(length=1, factors=np.empty(0)))
    assert np.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in case.model.parameters())
