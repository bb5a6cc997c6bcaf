"""A recurrent state: a tensor, or tensors nested in tuples, named tuples, lists and dicts; shapes (B, …), say."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from torch import Tensor

State: TypeAlias = Tensor | tuple[Any, ...] | list[Any] | dict[Any, Any] | None


def map_state(function: Callable[..., Tensor], state: Any, *others: Any) -> Any:
    """Applies `function` to every tensor of `state` (and those at the same place in `others`).

    None stands for a state, or a part of one, that is not there (yet), and stays None.

    Returns:
        A state of the same structure; `state` itself is left alone.

    Raises:
        TypeError: a leaf is no tensor.
    """
    if isinstance(state, Tensor):
        return function(state, *others)
    if state is None:
        return None
    if isinstance(state, dict):
        if any(not isinstance(other, Mapping) or other.keys() != state.keys() for other in others):
            raise ValueError("states to be mapped together must have the same keys")
        mapped = copy.copy(state)  # of the same kind, ordered or with a default
        mapped.update((key, map_state(function, *(s[key] for s in (state, *others)))) for key in state)
        return mapped
    if isinstance(state, tuple | list):
        parts = (map_state(function, *leaf) for leaf in zip(state, *others, strict=True))
        # a named tuple is built from its fields, the others from an iterable
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    raise _no_state(state)


def _no_state(state: Any) -> TypeError:
    return TypeError(
        f"a state is a tensor, or tensors nested in tuples, lists and dicts; got {type(state).__name__}: "
        f"keep what is no tensor outside of the state"
    )


def detach(state: Any) -> Any:
    """The same values without their history: what a cut does to a state."""
    return map_state(lambda tensor: tensor.detach(), state)


def leaves(state: Any) -> list[Tensor]:
    """The tensors of `state`, in order.

    Raises:
        TypeError: a leaf is no tensor.
    """
    if isinstance(state, Tensor):
        return [state]
    if state is None:
        return []
    if not isinstance(state, dict | tuple | list):
        raise _no_state(state)
    return [tensor for part in (state.values() if isinstance(state, dict) else state) for tensor in leaves(part)]
