from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch

from artbp_exp.autograd import carry, detach, leaves, map_state
from artbp_exp.autograd.state import fill, flatten
from artbp_exp.errors import UserError


def test_forward_is_the_identity_and_backward_the_factor() -> None:
    state = torch.tensor([1.0, -2.0], dtype=torch.float64, requires_grad=True)
    carried = carry(state, 1.7)
    assert torch.equal(carried, state)
    (carried * torch.tensor([3.0, 5.0])).sum().backward()
    torch.testing.assert_close(state.grad, torch.tensor([5.1, 8.5], dtype=torch.float64), rtol=1e-15, atol=0)


def test_what_reads_the_state_before_it_is_carried_gets_the_plain_gradient() -> None:
    state = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    (10 * state + carry(state, 3.0)).backward()
    assert state.grad == 13.0


def test_every_leaf_of_a_nested_state_is_scaled() -> None:
    leaves = [torch.ones(2, requires_grad=True) for _ in range(3)]
    (a, b), c = carry(((leaves[0], leaves[1]), leaves[2]), 4.0)
    (a + 2 * b + 3 * c).sum().backward()
    for leaf, weight in zip(leaves, (1, 2, 3), strict=True):
        assert torch.equal(leaf.grad, torch.full((2,), 4.0 * weight))


def test_a_factor_of_one_adds_nothing_to_the_tape() -> None:
    state = torch.ones(2, requires_grad=True)
    assert carry(state, 1.0) is state


def test_a_factor_beyond_single_precision_stays_a_float64_number() -> None:
    state = torch.ones(1, dtype=torch.float64, requires_grad=True)
    carry(state, 1 + 1e-12).backward()
    assert state.grad.item() == 1 + 1e-12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_the_dtype_of_the_state_is_kept(dtype: torch.dtype) -> None:
    state = torch.ones(2, dtype=dtype, requires_grad=True)
    carried = carry(state, 1.5)
    carried.sum().backward()
    assert carried.dtype == state.grad.dtype == dtype


def test_detach_cuts_every_leaf_and_keeps_the_values() -> None:
    a, b = (torch.rand(2, requires_grad=True) * 2 for _ in range(2))
    cut = detach((a, (b,)))
    assert torch.equal(cut[0], a)
    assert torch.equal(cut[1][0], b)
    assert not cut[0].requires_grad
    assert not cut[1][0].requires_grad


class Holder:
    """Nobody says what is in it."""

    def __init__(self) -> None:
        self.hidden = torch.ones(1)


def test_map_state_refuses_what_may_hide_tensors() -> None:
    with pytest.raises(UserError, match="got Holder: hand its tensors on in one of these"):
        map_state(lambda t: t, [torch.ones(1), Holder()])


@dataclass
class Pair:
    hidden: torch.Tensor
    clock: int
    rest: list[Any]


def test_dataclasses_plain_numbers_and_registered_nodes_are_states() -> None:
    state = Pair(torch.ones(2, requires_grad=True), 3, [deque([torch.zeros(1)]), "mode", None])
    doubled = map_state(lambda t: 2 * t, state)
    assert isinstance(doubled, Pair)
    assert doubled.clock == 3
    assert doubled.rest[1:] == ["mode", None]
    assert torch.equal(doubled.hidden, torch.full((2,), 2.0))
    assert not detach(state).hidden.requires_grad
    carry(state, 4.0).hidden.sum().backward()
    assert torch.equal(state.hidden.grad, torch.full((2,), 4.0))
    assert [
        leaf if not isinstance(leaf, torch.Tensor) else leaf.tolist() for leaf in flatten(fill(state, flatten(state)))
    ] == [
        [1.0, 1.0],
        3,
        [0.0],
        "mode",
        None,
    ]


class Memory(NamedTuple):
    read: torch.Tensor
    write: Any


def test_map_state_keeps_every_structure_and_carry_leaves_alone_what_has_no_gradient() -> None:
    tensor = torch.ones(2, requires_grad=True)
    state = {"layers": [(tensor, None), Memory(tensor, {"clock": torch.tensor(3)})], 7: tensor}
    carried = carry(state, 2.0)
    assert list(carried) == ["layers", 7]
    plain, memory = carried["layers"]
    assert plain[1] is None
    assert isinstance(memory, Memory)
    assert memory.write["clock"] is state["layers"][1].write["clock"]
    sum(leaf.sum() for leaf in leaves(carried) if leaf.requires_grad).backward()
    assert torch.equal(tensor.grad, torch.full((2,), 6.0))
    assert not any(leaf.requires_grad for leaf in leaves(detach(carried)))


def test_a_dict_keeps_its_kind() -> None:
    state = OrderedDict(second=torch.ones(1, requires_grad=True), first=torch.zeros(1))
    for mapped in (carry(state, 2.0), detach(state)):
        assert isinstance(mapped, OrderedDict)
        assert list(mapped) == ["second", "first"]
    assert state["second"].requires_grad, "the state itself is left alone"


@pytest.mark.parametrize("factor", [float("nan"), float("inf"), -1.0, None, "2", torch.ones(3)], ids=str)
def test_a_factor_that_is_no_number_is_refused(factor: Any) -> None:
    with pytest.raises(UserError, match="factor must be one finite number ≥ 0"):
        carry(torch.ones(2, requires_grad=True), factor)


def test_leaves_refuses_what_is_no_state() -> None:
    with pytest.raises(TypeError, match="got Holder"):
        leaves({"text": Holder()})


def test_transforms_of_torch_func_take_it() -> None:
    states = torch.ones(4, 3)
    per_sample = torch.func.vmap(torch.func.grad(lambda state: carry(state, 2.5).square().sum()))
    assert torch.equal(per_sample(states), torch.full((4, 3), 5.0))


def test_map_state_takes_several_dicts_and_refuses_other_keys() -> None:
    total = map_state(torch.add, {"a": torch.ones(1)}, {"a": torch.ones(1)})
    assert total["a"].item() == 2.0
    for other in ({"b": torch.ones(1)}, (torch.ones(1),)):
        with pytest.raises(ValueError, match="same structure"):
            map_state(torch.add, {"a": torch.ones(1)}, other)


def test_map_state_takes_several_states_and_refuses_ones_of_another_shape() -> None:
    total = map_state(torch.add, (torch.ones(1), torch.ones(1)), (torch.ones(1), 2 * torch.ones(1)))
    assert [t.item() for t in total] == [2.0, 3.0]
    with pytest.raises(ValueError, match="same structure"):
        map_state(torch.add, (torch.ones(1),), (torch.ones(1), torch.ones(1)))
