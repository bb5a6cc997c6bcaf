"""Runs code that was written for float32 in float64, and leaves no trace of it."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

LOWER = (torch.float32, torch.float16, torch.bfloat16)

_DTYPE: Any = Tensor.dtype
_CASTS = ("float", "half", "bfloat16")
_VIEWS = ("__getitem__", "narrow", "select", "unbind", "split", "chunk", "transpose", "permute", "index_select")


class InFloat64(TorchFunctionMode):
    """Within it every torch function takes and gives float64 in the place of lower floating-point dtypes.

    So a loop whose data are float32 runs in float64 as it is written. Of a tensor that a function changes in place
    no copy is made: what is written to it is written to it, in its dtype.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """`func` on what was handed in, raised."""
        name = getattr(func, "__name__", "")
        if name in _VIEWS:  # what it shows is raised, not the whole data set that it looks at
            return raised(func(*args, **(kwargs or {})))
        if name in _CASTS and args and isinstance(args[0], Tensor):
            func = Tensor.double
        kept = 1 if name in ("__set__", "__setitem__") or (name.endswith("_") and not name.endswith("__")) else 0
        if name == "__get__" and func != _DTYPE.__get__:
            kept = 1
        named = {key: part if key == "out" else raised(part) for key, part in (kwargs or {}).items()}
        return func(*args[:kept], *raised(args[kept:]), **named)


def raised(value: Any) -> Any:
    """`value` with float64 for every lower floating-point tensor or dtype in its tuples, lists and dicts."""
    if isinstance(value, Tensor):
        return value.double() if value.dtype in LOWER else value
    if isinstance(value, torch.dtype):
        return torch.float64 if value in LOWER else value
    if type(value) in (tuple, list):  # no sizes and no named tuples
        return type(value)(raised(part) for part in value)
    if type(value) is dict:
        return {key: raised(part) for key, part in value.items()}
    return value


@contextmanager
def float64(parameters: Sequence[Tensor], module: nn.Module | None) -> Iterator[None]:
    """Within it, parameters are float64 copies of themselves, without `.grad`, and torch computes in float64.

    Afterwards, and after an error, all is as it was: the parameters' own memory, dtype and `.grad`; a module's
    buffers and train or eval modes; torch's default dtype; the random states of torch, NumPy and Python.
    """
    devices = sorted({p.device.index or 0 for p in parameters if p.device.type == "cuda"})
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(devices))
        stack.callback(random.setstate, random.getstate())
        legacy: Any = np.random  # whose stubs do not know it
        numbers = legacy.get_bit_generator()
        stack.callback(setattr, numbers, "state", numbers.state)
        stack.callback(torch.set_default_dtype, torch.get_default_dtype())
        for parameter in parameters:
            stack.callback(_give_back, parameter, parameter.data, parameter.grad)
            parameter.grad = None
            parameter.data = parameter.data.to(torch.float64, copy=True)
        if module is not None:
            for part in module.modules():
                stack.callback(setattr, part, "training", part.training)
                for name, buffer in part.named_buffers(recurse=False):
                    stack.callback(setattr, part, name, buffer)
                    stack.callback(buffer.data.copy_, buffer.detach().clone())
        torch.set_default_dtype(torch.float64)
        stack.enter_context(InFloat64())
        yield


def _give_back(parameter: Tensor, data: Tensor, gradient: Tensor | None) -> None:
    parameter.grad = None
    parameter.data = data
    parameter.grad = gradient
