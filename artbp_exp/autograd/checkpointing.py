"""Gradient checkpointing: a long segment keeps the intermediate results of a few steps, and computes the others twice.

The one implementation of bounded memory, for a user's own loops and for the runner's models. It is torch's
(`torch.utils.checkpoint`; Chen et al. 2016), and does what torch leaves to its user: the random states of Python and
NumPy are replayed, a module's buffers are put back, and a step that changes its state in place changes a copy. What
cannot be made exact is one line: the second pass through every window is compared with the first.
"""

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import _get_current_function_mode_stack
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from artbp_exp.autograd.random_states import RandomStates
from artbp_exp.autograd.state import leaves, map_state
from artbp_exp.errors import UserError
from artbp_exp.truncation import Segment

Run = Callable[[int, int, Any], tuple[list[Any], Any]]
"""(first step, step after the last, state before) → (outputs, state handed on)."""


def windows(length: int, memory: int | None) -> list[tuple[int, int]]:
    """Windows of `memory` steps, as (first step, step after the last); the first holds the remainder.

    `memory` None keeps the intermediate results of all steps, in one window.
    """
    size = length if memory is None else memory
    first = length % size or min(size, length)
    return [(0, first), *((start, start + size) for start in range(first, length, size))]


def checkpointed(run: Run, state: Any, segment: Segment, *, owner: Any = None) -> tuple[list[Any], Any]:
    """Runs a segment in windows of `segment.memory` steps, all but the last of them computed twice.

    The gradient is the same. Kept are the states between windows and what `run` returns.

    Args:
        run: runs a window.
        state: before the segment.
        segment: its length and memory.
        owner: what `run` calls, a module, a method or a function: the buffers of the modules that it refers to are put
            back before the second pass.

    Returns:
        The outputs of all windows, and the state after the last.

    Raises:
        UserError: it is called within a transform of `torch.func`; or, during the backward pass, the second pass
            through a window gives other values than the first.
    """
    parts = windows(segment.length, segment.memory)
    if len(parts) == 1 or not torch.is_grad_enabled():
        return run(0, segment.length, state)
    if torch._C._are_functorch_transforms_active():
        raise UserError(
            f"memory={segment.memory} recomputes steps during the backward pass, which torch.func transforms do not "
            f"support, and this segment has {segment.length} steps; build the scheme with memory=None"
        )
    modules = _modules(owner)
    outputs: list[Any] = []
    for start, stop in parts:
        if stop < segment.length:
            window = _Window(run, start, stop, modules)
            with set_checkpoint_early_stop(False):  # so that the second pass comes to its end, and is compared
                found, state = checkpoint(window, state, use_reentrant=False)
        else:  # its backward pass comes first: nothing would be gained
            found, state = run(start, stop, _copied(state))
        outputs += found
    return outputs, state


class _Window:
    """Some steps of a segment: the first call runs them, the second repeats the first."""

    def __init__(self, run: Run, start: int, stop: int, modules: list[nn.Module]) -> None:
        self._run, self._start, self._stop, self._modules = run, start, stop, modules
        self._values: list[tuple[Tensor, int]] | None = None

    def __call__(self, state: Any) -> tuple[list[Any], Any]:
        with ExitStack() as stack:
            if self._values is None:
                self._modes = _get_current_function_mode_stack()
                self._random = RandomStates(())
                self._begin = self._random.states()
                self._buffers = [(part, name, b.clone()) for part, name, b in _buffers(self._modules)]
            else:
                stack.enter_context(self._as_it_was())
                # a torch function mode is off within torch.autograd.grad, that of artbp.verify among them
                on = _get_current_function_mode_stack()
                for mode in self._modes:
                    if not any(mode is other for other in on):
                        stack.enter_context(mode)
            found, last = self._run(self._start, self._stop, _copied(state))
        values = [leaf.detach() for leaf in pytree.tree_leaves(found) if isinstance(leaf, Tensor)]
        values += [leaf.detach() for leaf in leaves(last)]
        if self._values is None:
            self._values = [(value, value._version) for value in values]
        elif len(values) != len(self._values) or not all(map(_same, values, self._values)):
            raise UserError(
                f"computing steps {self._start} to {self._stop - 1} of a segment again, for the backward pass with a "
                f"bounded memory, gave other values than the first time, so the gradient would be wrong; the step uses "
                f"something that has changed since (other parameters, an object or a random generator of its own): "
                f"put it into the state, or build the scheme with memory=None"
            )
        return found, last

    @contextmanager
    def _as_it_was(self) -> Iterator[None]:
        """Random states and buffers as they were before the first pass; afterwards as they are now."""
        now = self._random.states()
        buffers = [(part, name, part._buffers[name]) for part, name, _ in self._buffers]
        self._random.put_back({**self._begin, "torch": now["torch"]})  # torch's are torch's own business
        for part, name, buffer in self._buffers:
            part._buffers[name] = buffer.clone()
        try:
            yield
        finally:
            self._random.put_back({**now, "torch": self._random.states()["torch"]})
            for part, name, there in buffers:
                part._buffers[name] = there


def _modules(owner: Any) -> list[nn.Module]:
    """The modules that a step refers to: itself, what it is a method of, and what its function names."""
    if isinstance(owner, partial):
        return [module for part in (owner.func, *owner.args, *owner.keywords.values()) for module in _modules(part)]
    named: list[Any] = [owner]
    if inspect.isfunction(owner):
        with suppress(ValueError):  # a variable that has no value yet
            found = inspect.getclosurevars(owner)
            named += [*found.nonlocals.values(), *found.globals.values()]
    named = [getattr(value, "__self__", value) for value in named]
    return [value for value in named if isinstance(value, nn.Module)]


def _buffers(modules: list[nn.Module]) -> Iterator[tuple[nn.Module, str, Tensor]]:
    for part in dict.fromkeys(part for module in modules for part in module.modules()):
        for name, buffer in part._buffers.items():
            if buffer is not None:
                yield part, name, buffer


def _copied(state: Any) -> Any:
    """A step may change its state in place, container or tensor: it changes a copy."""
    return map_state(lambda tensor: tensor.clone(), state)


def _same(now: Tensor, then: tuple[Tensor, int]) -> bool:
    before, version = then
    if before._version != version:  # the loop has changed it in place since: nothing to compare with
        return True
    if now.shape != before.shape or now.dtype != before.dtype:
        return False
    if not (now.is_floating_point() or now.is_complex()):
        return torch.equal(now, before)
    # sums on a GPU may come out in another order
    tolerance = torch.finfo(now.dtype).eps ** 0.5
    return torch.allclose(now, before, rtol=tolerance, atol=tolerance, equal_nan=True)
