"""Runs code that was written for float32 in float64, and leaves no trace of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from artbp_exp.autograd.random_states import RandomStates
from artbp_exp.verification.user_loop.module_snapshot import ModuleSnapshot

HIGHER = {
    torch.float32: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.complex64: torch.complex128,
    torch.complex32: torch.complex128,
}

_CASTS = {
    "float": torch.float64,
    "half": torch.float64,
    "bfloat16": torch.float64,
    "cfloat": torch.complex128,
    "chalf": torch.complex128,
}
_VIEWS = {
    *("__getitem__", "__get__", "narrow", "select", "unbind", "split", "chunk", "transpose", "permute", "index_select"),
    *("view", "view_as", "reshape", "flatten", "squeeze", "unsqueeze", "expand", "expand_as", "t", "diagonal"),
    "detach",
}
"""What may show part of a tensor's memory; attributes such as `.data` and `.T` among them."""
_KEEP_VALUES = ("requires_grad_", "detach_", "share_memory_", "set_", "resize_", "resize_as_", "__set__")


class InFloat64(TorchFunctionMode):
    """Within it every torch function takes and gives float64 in the place of lower floating-point dtypes.

    And complex128 in the place of lower complex ones. So a loop whose data are float32 runs in float64 as it is
    written. A tensor that a function writes to, itself or through a view, is a float64 copy from then on, which the
    snapshot puts back; where other tensors share its memory it keeps its dtype, and what is written is rounded.

    Args:
        snapshot: keeps what is written to.
    """

    def __init__(self, snapshot: ModuleSnapshot) -> None:
        super().__init__()
        self._snapshot = snapshot
        self._shown: Any = WeakTensorKeyDictionary()  # copy in float64 → (call, index) that gave the view it copies

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """`func` on what was handed in, raised."""
        name, kwargs = getattr(func, "__name__", ""), kwargs or {}
        if name in _VIEWS:  # what it shows is raised, not the whole data set that it looks at
            return self._view(func, args, kwargs)
        if name in _CASTS and args and isinstance(args[0], Tensor):
            return args[0].to(_CASTS[name])
        if name == "type" and len(args) > 1:  # a dtype, a class (torch.FloatTensor), or its name
            like = torch.empty(0).type(args[1])
            return args[0].to(device=like.device, dtype=raised(like.dtype))
        if name in _KEEP_VALUES:
            return func(*args[:1], *raised(args[1:]), **kwargs)
        in_place = name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))
        if args and (in_place or kwargs.get("inplace") is True):
            rest = raised(args[1:]), raised(dict(kwargs))
            return self._write(lambda written: func(written, *rest[0], **rest[1]), args[0])
        if kwargs.get("out") is not None:
            rest = raised(args), {key: raised(part) for key, part in kwargs.items() if key != "out"}
            return self._write(lambda written: func(*rest[0], **rest[1], out=written), kwargs["out"])
        return func(*raised(args), **raised(dict(kwargs)))

    def _view(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        found = func(*args, **kwargs)
        higher = raised(found)
        whole = args[0] if args else None
        if isinstance(whole, Tensor) and (whole.dtype in HIGHER or whole in self._shown):
            for index, (part, copy) in enumerate(zip(_several(found), _several(higher), strict=True)):
                if isinstance(part, Tensor) and _share(part, whole):
                    self._shown[copy] = partial(_part, func, index, args[1:], kwargs), whole
        return higher

    def _write(self, write: Callable[[Any], Any], written: Any) -> Any:
        """Calls `write` on float64 tensors in the place of `written`, and hands on what was written to its memory."""
        tensors = _several(written)
        memory = [self._memory(tensor) for tensor in tensors]
        higher = raised(memory)
        found = write(type(written)(higher) if isinstance(written, tuple | list) else higher[0])
        for tensor, place, value in zip(tensors, memory, higher, strict=True):
            for other in (place, tensor):
                if other is not value:
                    other.copy_(value)
        return next((tensor for tensor, value in zip(tensors, higher, strict=True) if value is found), found)

    def _memory(self, tensor: Any) -> Any:
        """The tensor whose memory the user's code writes to, in float64 if it can be."""
        if not isinstance(tensor, Tensor):
            return tensor
        if tensor in self._shown:
            view, whole = self._shown[tensor]
            return view(self._memory(whole))
        if tensor.dtype in HIGHER:
            self._snapshot.keep(tensor)
        return tensor


def _several(value: Any) -> Sequence[Any]:
    return value if isinstance(value, tuple | list) else [value]


def _part(func: Callable[..., Any], index: int, rest: Sequence[Any], kwargs: Mapping[str, Any], whole: Tensor) -> Any:
    return _several(func(whole, *rest, **kwargs))[index]


def _share(one: Tensor, other: Tensor) -> bool:
    try:
        return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
    except (RuntimeError, NotImplementedError):  # sparse, or inside torch.func.vmap
        return False


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
        stack.enter_context(InFloat64(snapshot))
        yield snapshot


def _give_back(parameter: Tensor, data: Tensor, gradient: Tensor | None) -> None:
    parameter.grad = None
    parameter.data = data
    parameter.grad = gradient
