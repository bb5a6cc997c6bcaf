"""The fused engine in users' own loops: whatever gradient arrives, and however often, it is the plain path's."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

import artbp_exp
from artbp_exp.autograd import leaves, unroll_blocks
from artbp_exp.autograd.modules import recurrence_of
from artbp_exp.errors import UserError
from artbp_exp.truncation import Segment

MODULES = [nn.LSTM, nn.GRU, nn.RNN]
SEGMENT = Segment(length=5, factors=np.array([1.3, 1.0, 2.0, 1.7]))


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


def body(module: Any) -> Any:
    torch.manual_seed(0)
    return module(3, 8).double()


def run(module: Any, inputs: Tensor, *, fused: bool) -> tuple[Tensor, Any]:
    """By the recurrences, or block by block as any module that is not torch's own."""
    assert recurrence_of(module, inputs) is not None
    return unroll_blocks(module if fused else lambda x, state: module(x, state), inputs, None, SEGMENT)


@pytest.mark.parametrize("module", MODULES)
def test_a_gradient_may_arrive_in_any_layout(module: Any, threads: None) -> None:
    """That of a product with the transposed state is transposed, that of a sum has no strides."""
    network, inputs = body(module), torch.randn(5, 4, 3, dtype=torch.float64)
    weight = torch.randn(1, 4, 7, dtype=torch.float64)
    found = []
    for fused in (True, False):
        outputs, last = run(network, inputs, fused=fused)
        loss = sum((leaf.transpose(1, 2) @ weight).square().sum() for leaf in leaves(last))
        loss = loss + (outputs.transpose(1, 2) @ weight).square().sum() + outputs.sum()
        found.append(torch.autograd.grad(loss, list(network.parameters())))
    for mine, right in zip(*found, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("memory", [None, 2])
@pytest.mark.parametrize("module", MODULES)
def test_a_graph_that_is_kept_is_backpropagated_again(module: Any, memory: int | None) -> None:
    network, inputs = body(module), torch.randn(5, 4, 3, dtype=torch.float64)
    segment = Segment(length=5, factors=SEGMENT.factors, memory=memory)
    outputs, _ = unroll_blocks(network, inputs, None, segment)
    losses = [outputs.sum(), outputs.square().sum(), outputs.sum()]
    weights = list(network.parameters())
    first, _, again = (torch.autograd.grad(loss, weights, retain_graph=True) for loss in losses)
    for a, b in zip(first, again, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-14)
    losses[0].backward()
    with pytest.raises(RuntimeError, match="a second time"):
        losses[1].backward()


@pytest.mark.parametrize("module", MODULES)
def test_a_second_derivative_is_refused_and_never_left_out(module: Any) -> None:
    """A penalty on the gradient would have none, without a word."""
    network, inputs = body(module), torch.randn(5, 4, 3, dtype=torch.float64, requires_grad=True)
    outputs, _ = run(network, inputs, fused=True)
    with pytest.raises(UserError, match="create_graph=True"):
        torch.autograd.grad(outputs.sum(), inputs, create_graph=True)


def test_a_state_that_is_not_detached_is_named_by_verify() -> None:
    network, x = nn.LSTM(3, 4), torch.randn(6, 2, 3)

    def segment_loss(start: int, segment: Segment, state: Any) -> tuple[Tensor, Any]:
        outputs, state = artbp_exp.unroll_blocks(network, x[start : start + segment.length], state, segment)
        return outputs.square().sum(), state

    found = artbp_exp.verify(segment_loss, network, artbp_exp.artbp(length=3, alpha=4), steps=6)
    assert "not detached" in found.reasons[0]


class Replica(DistributedDataParallel):
    """As in a training with several processes, of which there is one here, and no process group."""

    def __init__(self, module: nn.Module) -> None:
        nn.Module.__init__(self)
        self.module = module

    def forward(self, *inputs: Any) -> Any:
        return self.module(*inputs)


def test_a_module_in_ddp_keeps_its_batch_first() -> None:
    """With as many streams as steps the two dimensions could be taken for each other."""
    torch.manual_seed(0)
    network, inputs = nn.LSTM(3, 8, batch_first=True).double(), torch.randn(5, 5, 3, dtype=torch.float64)
    wanted, _ = unroll_blocks(network, inputs, None, SEGMENT)
    torch.testing.assert_close(unroll_blocks(Replica(network), inputs, None, SEGMENT)[0], wanted)
