"""A recurrent state: a tensor (B, …), or a tree of them: tuples, lists, dicts, dataclasses, registered pytree nodes."""

import dataclasses
from collections.abc import Callable
from enum import Enum
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor
from torch.utils import _pytree as pytree

from artbp_exp.errors import UserError

State: TypeAlias = Any
"""A tensor, or (named) tuples, lists, dicts, dataclasses and registered pytree nodes (TensorDict, say) of states."""

LEAVES = (Tensor, int, float, complex, str, Enum, np.generic, type(None))
"""All but tensors carry no gradient, and pass unchanged."""


class UnsupportedState(UserError, TypeError):
    """A leaf of a state that is no leaf: its tensors, if it has any, would be missed."""


def map_state(function: Callable[..., Tensor], state: Any, *others: Any) -> Any:
    """Applies `function` to every tensor of `state` (and to what stands at its place in `others`).

    Returns:
        A tree of the same structure with new containers; `state` itself is not changed. Plain numbers, strings and
        None pass unchanged.

    Raises:
        UnsupportedState: a leaf is something else, whose tensors, if it has any, would be missed.
        ValueError: `others` differ in structure.
    """
    return _map(lambda leaf, *rest: function(leaf, *rest) if isinstance(leaf, Tensor) else leaf, state, *others)


def _map(function: Callable[..., Any], state: Any, *others: Any) -> Any:
    if isinstance(state, LEAVES):
        return function(state, *others)
    if type(state) is tuple:  # the usual case, without the cost of the general one
        if any(type(other) is not tuple or len(other) != len(state) for other in others):
            raise ValueError("states that are mapped together must have the same structure")
        return tuple(_map(function, *parts) for parts in zip(state, *others, strict=True))
    parts, rebuild = _node(state)
    rest = []
    for other in others:
        if type(other) is not type(state) or _keys(other) != _keys(state):
            raise ValueError("states that are mapped together must have the same structure")
        rest.append(_node(other)[0])
    return rebuild([_map(function, *branches) for branches in zip(parts, *rest, strict=True)])


def _keys(node: Any) -> Any:
    return list(node) if isinstance(node, dict) else None


def _node(state: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The children of one container, and what builds its like from others."""
    if type(state) not in pytree.SUPPORTED_NODES and dataclasses.is_dataclass(state) and not isinstance(state, type):
        names = [field.name for field in dataclasses.fields(state) if field.init]
        return (
            [getattr(state, name) for name in names],
            lambda parts: dataclasses.replace(state, **dict(zip(names, parts, strict=True))),
        )
    parts, spec = pytree.tree_flatten(state, is_leaf=lambda node: node is not state)
    if spec.is_leaf():
        raise UnsupportedState(
            f"a state holds tensors in tuples, lists, dicts, dataclasses or registered pytree nodes; got "
            f"{type(state).__name__}: hand its tensors on in one of these (an array by torch.from_numpy), and build it "
            f"from them in each step, or register it with torch.utils._pytree.register_pytree_node"
        )
    return parts, lambda found: pytree.tree_unflatten(found, spec)


def detach(state: Any) -> Any:
    """The same values without their history: what a cut does to a state."""
    return map_state(lambda tensor: tensor.detach(), state)


def leaves(state: Any) -> list[Tensor]:
    """The tensors of `state`, in order."""
    return [leaf for leaf in flatten(state) if isinstance(leaf, Tensor)]


def numbers(state: Any) -> int:
    """How many numbers the tensors of `state` hold."""
    return sum(leaf.numel() for leaf in leaves(state))


def floating(state: Any) -> list[Tensor]:
    """The tensors of `state` that a gradient can flow into, in order."""
    return [leaf for leaf in leaves(state) if leaf.is_floating_point()]


def flatten(state: Any) -> list[Any]:
    """The leaves of `state`, in order: tensors, plain numbers, strings and None. What a checkpoint holds of it."""
    if isinstance(state, LEAVES):
        return [state]
    parts = state if type(state) is tuple else _node(state)[0]
    return [leaf for part in parts for leaf in flatten(part)]


def fill(template: Any, values: list[Any]) -> Any:
    """A tree like `template` with these leaves, as many as it has; inverse of `flatten`."""
    left = list(values)
    if len(left) != len(flatten(template)):
        raise ValueError(f"the state has {len(flatten(template))} leaves; got {len(left)}")
    return _map(lambda leaf: left.pop(0), template)
