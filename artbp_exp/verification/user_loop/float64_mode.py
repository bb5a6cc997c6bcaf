"""Runs code that was written for float32 in float64, and leaves no trace of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from artbp_exp.autograd.random_states import RandomStates
from artbp_exp.verification.user_loop.module_snapshot import ModuleSnapshot

HIGHER = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex32: torch.complex128,
}

_DTYPE: Any = Tensor.dtype
_CASTS = {
    "float": torch.float64,
    "half": torch.float64,
    "bfloat16": torch.float64,
    "cfloat": torch.complex128,
    "chalf": torch.complex128,
}
_VIEWS = ("__getitem__", "narrow", "select", "unbind", "split", "chunk", "transpose", "permute", "index_select")


class InFloat64(TorchFunctionMode):
    """Within it every torch function takes and gives float64 in the place of lower floating-point dtypes.

    And complex128 in the place of lower complex ones. So a loop whose data are float32 runs in float64 as it is
    written. Of a tensor that a function changes in place no copy is made: what is written to it is written to it,
    in its dtype.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """`func` on what was handed in, raised."""
        name = getattr(func, "__name__", "")
        if name in _VIEWS:  # what it shows is raised, not the whole data set that it looks at
            return raised(func(*args, **(kwargs or {})))
        if name in _CASTS and args and isinstance(args[0], Tensor):
            return args[0].to(_CASTS[name])
        kept = 1 if name in ("__set__", "__setitem__") or (name.endswith("_") and not name.endswith("__")) else 0
        if name == "__get__" and func != _DTYPE.__get__:
            kept = 1
        named = {key: part if key == "out" else raised(part) for key, part in (kwargs or {}).items()}
        return func(*args[:kept], *raised(args[kept:]), **named)


def raised(value: Any) -> Any:
    """`value` with float64, or complex128, for every lower tensor or dtype in its tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return value.to(HIGHER[value.dtype]) if value.dtype in HIGHER else value
    if isinstance(value, torch.dtype):
        return HIGHER.get(value, value)
    if type(value) in (tuple, list):  # no sizes and no named tuples
        return type(value)(raised(part) for part in value)
    if type(value) is dict:
        return {key: raised(part) for key, part in value.items()}
    return value


@contextmanager
def float64(parameters: Sequence[Tensor], module: nn.Module | None) -> Iterator[ModuleSnapshot]:
    """Within it, parameters are float64 copies of themselves, without `.grad`, and torch computes in float64.

    A module's buffers, and tensors that are plain attributes of it, are float64 copies, too; what it yields puts them
    back, as often as one likes. Gradients are computed even where they were switched off.

    Afterwards, and after an error, all is as it was: the parameters' own memory, dtype and `.grad`; a module's
    buffers, tensor attributes and train or eval modes; torch's default dtype; the random states of torch, NumPy and
    Python.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.enable_grad())
        streams = RandomStates(parameters)
        stack.callback(streams.put_back, streams.states())
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        for parameter in parameters:
            stack.callback(_give_back, parameter, parameter.data, parameter.grad)
            parameter.grad = None
            parameter.data = parameter.data.to(HIGHER.get(parameter.dtype, parameter.dtype), copy=True)
        snapshot = ModuleSnapshot(module, apart=parameters, dtypes=HIGHER)
        stack.callback(snapshot.give_back)
        torch.set_default_dtype(torch.float64)
        stack.enter_context(InFloat64())
        yield snapshot


def _give_back(parameter: Tensor, data: Tensor, gradient: Tensor | None) -> None:
    parameter.grad = None
    parameter.data = data
    parameter.grad = gradient
