"""Refuses what `verify` cannot work with, in a line."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from artbp_exp import checks
from artbp_exp.autograd import map_state
from artbp_exp.errors import UserError
from artbp_exp.truncation import Scheme, count_cuts

MOST = 2**11
"""Ways to cut that are tried: those of 12 steps where a cut may fall after each of them."""


def named(parameters: Any) -> dict[str, Tensor]:
    """Parameters that take a gradient, each once, by name.

    Raises:
        UserError: there are none, or `parameters` is something else.
    """
    what = "parameters must be a module, its parameters() or named_parameters()"
    if callable(parameters) and not isinstance(parameters, nn.Module):
        raise UserError(f"{what}; got a function: segment_loss comes first, as artbp.verify(segment_loss, model, …)")
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    if isinstance(parameters, nn.Module):
        parameters = parameters.named_parameters()
    try:
        pairs = list(parameters.items() if isinstance(parameters, Mapping) else parameters)
    except TypeError as error:
        raise UserError(f"{what}; got {type(parameters).__name__}") from error
    found: dict[str, Tensor] = {}
    for index, pair in enumerate(pairs):
        name, tensor = pair if isinstance(pair, tuple) and len(pair) == 2 else (f"parameter {index}", pair)
        if not isinstance(tensor, Tensor) or not tensor.is_leaf:
            raise UserError(f"{what}; got {type(tensor).__name__}")
        if tensor.requires_grad and not any(tensor is other for other in found.values()):
            found[str(name)] = tensor
    if not found:
        raise UserError("none of the parameters takes a gradient (requires_grad is False): there is nothing to verify")
    return found


def padding(module: nn.Module | None, parameters: Mapping[str, Tensor]) -> dict[str, int]:
    """Name of an embedding's weights → the row that its `padding_idx` keeps from learning."""
    parts = () if module is None else module.modules()
    return {
        name: part.padding_idx
        for part in parts
        if isinstance(part, nn.Embedding | nn.EmbeddingBag) and part.padding_idx is not None
        for name, parameter in parameters.items()
        if parameter is part.weight
    }


def ways(scheme: Any, steps: int) -> int:
    """How many ways there are to cut `steps` steps.

    Raises:
        UserError: no cut can fall there; too many ways; `scheme` is none.
    """
    if not isinstance(scheme, Scheme):
        got = type(scheme).__name__ if isinstance(scheme, nn.Module | Tensor) else repr(scheme)  # in one line
        raise UserError(f"scheme must be one of artbp.artbp(…), artbp.tbptt(…) or a Scheme; got {got}")
    if not (scheme.survival(steps - 1)[-1] < 1):
        raise UserError(
            f"no cut of {scheme.name} can fall within {steps} steps, so nothing would be tested; verify with shorter "
            f"segments, as artbp.artbp(length=3, alpha=4), or with more steps: the code that is tested is the same"
        )
    counts = count_cuts(scheme, steps, most=MOST)
    if counts[-1] > MOST:
        raise UserError(
            f"{steps} steps can be cut in more than {MOST} ways, and no more are tried: "
            f"with this scheme take at most {len(counts) - 1} steps; got steps={steps}"
        )
    return counts[-1]


def check(segment_loss: Any, steps: Any, state: Any) -> int:
    """Returns `steps` as an int.

    Raises:
        UserError: it is no whole number ≥ 2; `segment_loss` is no function; `state` is no state.
    """
    if not callable(segment_loss):
        raise UserError(
            f"segment_loss must be a function (start, segment, state) → (loss, next state); "
            f"got {type(segment_loss).__name__}"
        )
    try:
        map_state(lambda tensor: tensor, state)
    except (TypeError, ValueError) as error:
        raise UserError(f"state must be a tensor or tensors nested in tuples, lists and dicts: {error}") from error
    return checks.whole("steps", steps, at_least=2)
