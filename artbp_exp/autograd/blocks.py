"""Run a ready-made recurrent module over one segment, several steps a call, with carry factors between the calls."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from artbp_exp.autograd.carry import carry
from artbp_exp.autograd.checkpointing import checkpointed
from artbp_exp.autograd.modules import recurrence_of, run_module
from artbp_exp.errors import UserError
from artbp_exp.truncation import Segment


def unroll_blocks(
    module: Callable[[Tensor, Any], tuple[Tensor, Any]], inputs: Tensor, state: Any, segment: Segment
) -> tuple[Tensor, Any]:
    """Runs `torch.nn.LSTM`, `GRU`, `RNN`, or a module with their signature, over a segment.

    torch's own modules run on this package's fused engine, which takes the factors inside its backward pass: on CPU
    with Numba, for `LSTM`, `GRU` and `RNN` (tanh) of any number of layers, but not with dropout between them,
    projections, hooks, autocast or `torch.func` transforms. What they compute is the same to rounding.

    Any other module is called once for each block of steps between factors that are not 1, and the state is carried
    from block to block: exact for every scheme. A scheme that may cut after every step has blocks of one step; one that
    may cut only every k steps (hazard 0 in between, and so factor 1: just as unbiased) has blocks of k, and keeps the
    speed of a kernel that runs many steps.

    Args:
        module: (inputs of m steps, state) → (outputs of m steps, state after them). Called with any m ≥ 1.
        inputs: (n, B, …), n = `segment.length`; (B, n, …) if the module has an attribute `batch_first` that is true.
            One that has none, but holds a module that is `batch_first`, must be given it.
        state: before the first step; None is the module's own start, zeros.
        segment: length, factors, and memory: beyond so many steps `module` is called a second time during the
            backward pass (gradient checkpointing), so that no more steps than that are stored.

    Returns:
        Outputs of the n steps, with the steps where `inputs` has them, and the state after the last, *not* detached.

    Raises:
        UserError: the steps of `inputs` are not those of the segment, or `segment` is none; or the module reads its
            inputs backwards too.
    """
    if not isinstance(segment, Segment):
        raise UserError(f"segment must be one of scheme.segments(…); got {type(segment).__name__}")
    whole: Any = module.module if isinstance(module, DistributedDataParallel) else module  # it hides its settings
    if getattr(whole, "bidirectional", False):
        raise UserError("a bidirectional module carries nothing from segment to segment; take bidirectional=False")
    if not isinstance(inputs, Tensor):
        raise UserError(f"inputs must be a tensor with one row a step; got {type(inputs).__name__}: unpack it first")
    steps = _dimension_of_steps(whole, inputs)
    if inputs.shape[steps] != segment.length:
        raise UserError(
            f"the segment has {segment.length} steps; got inputs of shape {tuple(inputs.shape)}: "
            f"its dimension {steps} must be the segment's length{_transposed(inputs, steps, segment.length)}"
        )

    def run(start: int, stop: int, state: Any) -> tuple[list[Tensor], Any]:
        factors = segment.factors[start : stop - 1]
        kind = recurrence_of(module, inputs) if (factors != 1.0).any() else None
        if kind is not None:
            found, state = run_module(kind, module, inputs.narrow(steps, start, stop - start), state, factors)
            return [found], carry(state, segment.factor(stop - 1))
        outputs = []
        for first, end, factor in _blocks(segment, start, stop):
            output, state = _checked(
                module(inputs.narrow(steps, first, end - first), state), inputs, steps, end - first
            )
            outputs.append(output)
            state = carry(state, factor)
        return outputs, state

    outputs, state = checkpointed(run, state, segment, owner=module)
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=steps), state


def _dimension_of_steps(module: Any, inputs: Tensor) -> int:
    """0, or 1 where the module says `batch_first`; UserError where only a module inside of it does."""
    batch_first = getattr(module, "batch_first", None)
    if batch_first is None and isinstance(module, nn.Module):
        for name, part in module.named_modules():
            if getattr(part, "batch_first", False):
                raise UserError(
                    f"{name} is batch_first, and {type(module).__name__} does not say whether its inputs are "
                    f"(B, n, …), too: set model.batch_first = True if they are, False if they are (n, B, …)"
                )
    # two dimensions are one sequence without a batch for torch's own modules, and a batch of symbols for others
    return 1 if batch_first and inputs.dim() > (2 if isinstance(module, nn.RNNBase) else 1) else 0


def _transposed(inputs: Tensor, steps: int, length: int) -> str:
    if inputs.dim() < 2 or inputs.shape[1 - steps] != length:
        return ""
    if steps == 1:
        return "; its dimension 0 is: this module is batch_first, hand in (B, n, …)"
    return "; its dimension 1 is: hand in inputs.transpose(0, 1), or a module with batch_first=True"


def _checked(found: Any, inputs: Tensor, steps: int, length: int) -> tuple[Tensor, Any]:
    """What a module returned for `length` steps: outputs of as many steps, or all rows of them one after the other."""
    if not isinstance(found, tuple | list) or len(found) != 2 or not isinstance(found[0], Tensor):
        got = f"{len(found)} things" if isinstance(found, tuple | list) else type(found).__name__
        raise UserError(f"the module must return a pair, (outputs as one tensor, state); got {got}: use artbp.unroll")
    output, state = found
    flattened = steps == 0 and inputs.dim() > 1 and output.dim() <= 2
    rows = length * inputs.shape[1] if flattened else length
    if output.dim() <= steps or output.shape[steps] not in (length, rows):
        shape = "(B, n, …)" if steps else "(n, B, …)"
        raise UserError(
            f"the module returned outputs of shape {tuple(output.shape)} for {length} steps; dimension {steps} is not "
            f"that of the steps: return outputs {shape}, and set batch_first to what its inputs are"
        )
    return output, state


def _blocks(segment: Segment, start: int, stop: int) -> Iterator[tuple[int, int, float]]:
    """(first step, step after the last, factor of what is carried on) of each block of the steps `start` … `stop`."""
    for index in (start + (segment.factors[start : stop - 1] != 1.0).nonzero()[0]).tolist():
        yield start, index + 1, segment.factor(index)
        start = index + 1
    yield start, stop, segment.factor(stop - 1)
