"""A recurrent state is a tensor or a nested tuple of tensors, each of shape (B, …)."""

from collections.abc import Callable
from typing import Any, TypeAlias

from torch import Tensor

State: TypeAlias = Tensor | tuple[Any, ...]


def map_state(function: Callable[..., Tensor], state: State, *others: State) -> State:
    """Applies `function` to every tensor of `state` (and those at the same place in `others`).

    Raises:
        TypeError: a leaf is neither a tensor nor a tuple.
    """
    if isinstance(state, Tensor):
        return function(state, *others)
    if isinstance(state, tuple):
        parts = (map_state(function, *leaf) for leaf in zip(state, *others, strict=True))
        # a named tuple is built from its fields, a plain one from an iterable
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    raise TypeError(f"a state is a tensor or a nested tuple of tensors; got {type(state).__name__}")


def detach(state: State) -> State:
    """The same values without their history: what a cut does to a state."""
    return map_state(lambda tensor: tensor.detach(), state)


def leaves(state: State) -> list[Tensor]:
    """The tensors of `state`, in order."""
    if isinstance(state, Tensor):
        return [state]
    return [tensor for part in state for tensor in leaves(part)]
