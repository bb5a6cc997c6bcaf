"""The tensors that a module keeps from call to call: put back, so that each run begins where the first began."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

_OWN = frozenset(vars(nn.Module()))
"""Attributes that every module has."""


class ModuleSnapshot:
    """Buffers, frozen parameters, tensors that are plain attributes (or lie in lists, tuples and dicts), and modes.

    The modes are train and eval. Until `give_back` the tensors are copies, in the dtype that `dtypes` has for theirs.

    Args:
        module: with its submodules; None keeps nothing.
        apart: tensors that are not the module's to keep, as are all `nn.Parameter`s that learn.
        dtypes: lower → higher.
    """

    def __init__(
        self, module: nn.Module | None, *, apart: Iterable[Tensor], dtypes: Mapping[torch.dtype, torch.dtype]
    ) -> None:
        self._parts = [] if module is None else [_Part(part) for part in module.modules()]
        others = {id(tensor) for tensor in apart}
        tensors = {id(t): t for part in self._parts for t in part.tensors() if _is_data(t) and id(t) not in others}
        self._dtypes = dtypes
        self._tensors = list(tensors.values())
        self._data = [tensor.data for tensor in self._tensors]
        self._raised = [self._copy(data) for data in self._data]
        self.put_back()

    def keep(self, tensor: Tensor) -> None:
        """Keeps a tensor from outside the module as well, if no other tensor shares its memory."""
        if tensor.is_leaf and not tensor.is_inference() and not _shared(tensor):
            self._tensors.append(tensor)
            self._data.append(tensor.data)
            self._raised.append(self._copy(tensor.data))
            tensor.data = self._raised[-1].clone()

    def attached(self) -> list[Tensor]:
        """The tensors with a history that the module keeps now: its state, where it hands none on."""
        kept = [*self._tensors, *(tensor for part in self._parts for tensor in part.now())]
        return [tensor for tensor in kept if tensor.grad_fn is not None]

    def put_back(self) -> None:
        """All as it was in the beginning, in copies."""
        self._set([data.clone() for data in self._raised])

    def give_back(self) -> None:
        """All as it was before: the very same memory."""
        self._set(self._data)

    def _copy(self, data: Tensor) -> Tensor:
        return data.to(self._dtypes.get(data.dtype, data.dtype), copy=True)

    def _set(self, values: list[Tensor]) -> None:
        for part in self._parts:
            part.put_back()
        for tensor, data in zip(self._tensors, values, strict=True):
            if tensor.grad_fn is not None:  # what was written to it had a history
                tensor.detach_()
            tensor.data = data


class _Part:
    """One module, without its submodules."""

    def __init__(self, module: nn.Module) -> None:
        self._module, self._training = module, module.training
        self._buffers = dict(module._buffers)
        self._attributes = {key: (value, _shallow(value)) for key, value in vars(module).items() if key not in _OWN}

    def tensors(self) -> Iterator[Tensor]:
        yield from _tensors([self._buffers, self._module._parameters])
        for value, _ in self._attributes.values():
            yield from _tensors(value)

    def now(self) -> Iterator[Tensor]:
        kept = {key: value for key, value in vars(self._module).items() if key not in _OWN}
        yield from _tensors([kept, self._module._buffers])

    def put_back(self) -> None:
        module, now = self._module, vars(self._module)
        module.training = self._training
        module._buffers.clear()
        module._buffers.update(self._buffers)
        # what has nothing to do with tensors, a counter of calls, say, is the module's own
        held = {key for key, value in now.items() if key not in _OWN and any(True for _ in _tensors(value))}
        held |= {key for key, (_, copy) in self._attributes.items() if any(True for _ in _tensors(copy))}
        for key in held:
            if key not in self._attributes:
                del now[key]
                continue
            value, copy = self._attributes[key]
            if type(value) is list:
                value[:] = copy
            elif type(value) is dict:
                value.clear()
                value.update(copy)
            now[key] = value


def _is_data(tensor: Tensor) -> bool:
    return tensor.grad_fn is None and not (isinstance(tensor, nn.Parameter) and tensor.requires_grad)


def _shared(tensor: Tensor) -> bool:
    """Whether other tensors or a NumPy array may show its memory; sparse ones count as shared, too."""
    if tensor.layout != torch.strided:
        return True
    storage = tensor.untyped_storage()
    owners = torch._C._storage_Use_Count(storage._cdata)  # this tensor, the object `storage`, and any other
    return not storage.resizable() or owners > 2


def _shallow(value: Any) -> Any:
    return value.copy() if type(value) in (list, dict) else value


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
