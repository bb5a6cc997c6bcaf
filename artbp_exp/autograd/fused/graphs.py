"""The steps of a segment on a GPU: blocks of steps, recorded once as CUDA graphs and replayed without launch overhead.

A step is its products by cuBLAS and a kernel or two that torch.compile makes of the cell's equations. A segment is cut
into blocks of 64, 32, 16, … steps, whose arrays are copied to and from where the recorded kernels read and write. There
is no mixture: `segment.folded` has made one weight of two.
"""

import importlib.util
import threading
from collections.abc import Callable, Iterator
from functools import cache, cached_property, lru_cache, partial
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from artbp_exp.autograd.fused.arrays import Backward, Forward
from artbp_exp.autograd.fused.recurrence import Recurrence

LONGEST = 64
"""Steps of the longest block; a power of two."""

Replay = Callable[[], Any]

Run = TypeVar("Run", bound=Callable[..., Any])

SHAPES = 8
"""Of which the recordings are kept."""

LOCK = threading.Lock()
"""Held while a segment is run: all segments of a shape share one plan's arrays."""


_untraced: Callable[[Run], Run] = torch.compiler.disable
"""A user's `torch.compile` would trace what it runs, and pass over the caches: record anew in each call."""


class Shape(NamedTuple):
    """What a recording is made for.

    Attributes:
        kind: the cell.
        streams, size: B, H.
        full, low: dtype of the state, and of the products.
        inner: whether something is added to the recurrent product.
        alone: whether the memory is an array of its own, and not h.
        stream: of CUDA, on which recordings wait for each other.
    """

    kind: type[Recurrence]
    streams: int
    size: int
    full: torch.dtype
    low: torch.dtype
    inner: bool
    alone: bool
    device: torch.device
    stream: int


@_untraced
def run_forward(kind: type[Recurrence], arrays: Forward, recurrent: Tensor) -> None:
    """Runs all steps forward."""
    s, steps = arrays, len(arrays.hidden) - 1
    plan = _plan(_shape(kind, s, s.x, s.inner))
    replays = plan.forward
    plan.load(recurrent, s.inner)
    keeps = len(s.gates) == steps and len(s.memory) > steps  # else one step's arrays, used again and again
    plan.hidden[0].copy_(s.hidden[0])
    plan.memory[0].copy_(s.memory[0])
    for start, count in blocks(steps):
        stop, x = start + count, plan.x[:count]
        if s.index is None:
            x.copy_(s.x.view(steps, *x.shape[1:])[start:stop])
        else:
            torch.index_select(s.x, 0, s.index[start:stop].flatten(), out=x.view(-1, x.shape[2]))
        replays[count]()
        s.hidden[start + 1 : stop + 1].copy_(plan.hidden[1 : count + 1])
        if keeps:
            s.memory[start + 1 : stop + 1].copy_(plan.memory[1 : count + 1])
            s.gates[start:stop].copy_(plan.gates[:count])
            s.extra[start:stop].copy_(plan.extra[:count])
        elif plan.shape.alone:
            s.memory[0].copy_(plan.memory[count])
        plan.hidden[0].copy_(plan.hidden[count])
        plan.memory[0].copy_(plan.memory[count])


@_untraced
def run_backward(kind: type[Recurrence], arrays: Backward, recurrent: Tensor, carried: Tensor) -> Tensor:
    """Runs all steps backward. Returns the gradient that arrives at the first h through the products."""
    s, steps = arrays, len(arrays.factors)
    plan = _plan(_shape(kind, s, s.dx, s.dinner))
    replays = plan.backward
    plan.load(recurrent, None)
    factors = torch.as_tensor(s.factors).to(plan.factors)
    dx = s.gates if plan.shares else s.dx.new_empty(s.gates.shape)
    plan.carried.copy_(carried)
    plan.dmemory.copy_(s.dmemory)
    for start, count in reversed([*blocks(steps)]):
        stop = start + count
        plan.outputs[:count].copy_(s.outputs[start:stop])
        plan.factors[:count].copy_(factors[start:stop])
        plan.hidden[: count + 1].copy_(s.hidden[start : stop + 1])
        plan.memory[: count + 1].copy_(s.memory[start : stop + 1])
        plan.gates[:count].copy_(s.gates[start:stop])
        plan.extra[:count].copy_(s.extra[start:stop])
        replays[count]()
        s.gates[start:stop].copy_(plan.gates[:count])
        if not plan.shares:
            dx[start:stop].copy_(plan.dx[:count])
    s.dmemory.copy_(plan.dmemory)
    flat = dx.flatten(0, 1)
    if s.index is None:
        s.dx.copy_(flat)
    else:  # the rows of a table are summed by a product, in fixed order
        chosen = flat.new_zeros(len(flat), len(s.dx)).scatter_(1, s.index.reshape(-1, 1), 1.0)
        s.dx.copy_(torch.mm(chosen.t(), flat))
    if s.dinner is not None:
        s.dinner.copy_(s.gates.sum((0, 1), dtype=s.dinner.dtype))
    return plan.carried.clone()


def blocks(steps: int) -> Iterator[tuple[int, int]]:
    """(start, count) of the blocks of a segment: the longest that fits, again and again."""
    start, count = 0, LONGEST
    while start < steps:
        while count > steps - start:
            count //= 2
        yield start, count
        start += count


def _shape(kind: type[Recurrence], s: Forward | Backward, x: Tensor, inner: Tensor | None) -> Shape:
    (streams, size), device = s.hidden.shape[1:], s.hidden.device
    stream = torch.cuda.current_stream(device).cuda_stream if device.type == "cuda" else 0
    alone = s.memory.data_ptr() != s.hidden.data_ptr()
    return Shape(kind, streams, size, x.dtype, s.hidden.dtype, inner is not None, alone, device, stream)


class _Plan:
    """The arrays that recordings of one shape read and write, and the recordings."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        kind, streams, size = shape.kind, shape.streams, shape.size
        full, low = (partial(torch.zeros, dtype=dtype, device=shape.device) for dtype in (shape.full, shape.low))

        def rows(count: int, columns: int, zeros: Callable[..., Tensor]) -> Tensor:
            return zeros(count, streams, columns)

        self.x = rows(LONGEST, kind.gates * size, full)
        self.hidden = rows(LONGEST + 1, size, low)
        self.memory = rows(LONGEST + 1, size, full) if shape.alone else self.hidden
        self.gates = rows(LONGEST, kind.gates * size, low)
        self.extra = rows(LONGEST, kind.extra * size, low)
        self.outputs = rows(LONGEST, size, low)
        self.factors = full(LONGEST)
        self.carried, self.dmemory = rows(1, size, low)[0], rows(1, size, full)[0]
        self.recurrent = low(kind.gates * size, size)
        self.inner = full(kind.gates * size) if shape.inner else None
        self._product = rows(1, kind.gates * size, low)[0]
        self._forward, self._backward = _steps(kind, shape.device.type)
        few = torch.zeros(1, 1, dtype=torch.float64)
        parts = (few,) * kind.gates
        there = kind.backward(few, few, parts, (few,) * kind.extra, few, few, few)
        self.shares = all(a is b for a, b in zip(there[0], there[1], strict=True))  # x and r have the same gradients
        self.dx = rows(0 if self.shares else LONGEST, kind.gates * size, full)

    def load(self, recurrent: Tensor, inner: Tensor | None) -> None:
        """Takes the weights as they are now."""
        self.recurrent.copy_(recurrent)
        if self.inner is not None and inner is not None:
            self.inner.copy_(inner)

    @cached_property
    def forward(self) -> dict[int, Replay]:
        """count → runs the first `count` steps of the arrays forward."""
        return self._recorded(self._step_forward, range(LONGEST))

    @cached_property
    def backward(self) -> dict[int, Replay]:
        """And backward, from the gradients in `carried` and `dmemory`; `gates` then holds those at the products."""
        return self._recorded(self._step_backward, range(LONGEST)[::-1])

    def _recorded(self, step: Callable[[int], None], order: range) -> dict[int, Replay]:
        """Of every length that a block can have: recording writes into the arrays, and must not come in between."""

        def work(count: int) -> None:
            for t in order:
                if t < count:
                    step(t)

        return {2**k: record(partial(work, 2**k), self.shape.device) for k in range(LONGEST.bit_length())}

    def _step_forward(self, t: int) -> None:
        torch.mm(self.hidden[t], self.recurrent.t(), out=self._product)
        after = self.memory[t + 1] if self.shape.alone else None
        kept = (*self._parts(self.gates[t]), *self._parts(self.extra[t]))
        self._forward(self.x[t], self._product, self.inner, self.memory[t], kept, self.hidden[t + 1], after)

    def _step_backward(self, t: int) -> None:
        gates = self._parts(self.gates[t])
        self._backward(
            self.outputs[t],
            self.carried,
            self.factors[t],
            self.dmemory,
            gates,
            self._parts(self.extra[t]),
            self.hidden[t + 1],
            self.memory[t],
            self.memory[t + 1],
            () if self.shares else self._parts(self.dx[t]),
        )
        torch.mm(self.gates[t], self.recurrent, out=self.carried)

    def _parts(self, row: Tensor) -> tuple[Tensor, ...]:
        """The columns of each gate; none of an array without columns."""
        return row.split(self.shape.size, dim=1) if row.shape[1] else ()


@lru_cache(maxsize=SHAPES)
def _plan(shape: Shape) -> _Plan:
    with torch.inference_mode(False):  # or only inference could write into its arrays
        return _Plan(shape)


@cache
def _beside(device: torch.device, stream: int) -> tuple[torch.cuda.Stream, torch.cuda.Stream]:
    """Where the work for a stream is tried, and where it is recorded: cuBLAS has one workspace for each stream."""
    return torch.cuda.Stream(device), torch.cuda.Stream(device)


def record(work: Replay, device: torch.device) -> Replay:
    """Records what `work` launches, for replay; on CPU, where there is nothing to record, `work` itself."""
    if device.type != "cuda":
        return work
    here = torch.cuda.current_stream(device)
    trial, beside = _beside(device, here.cuda_stream)
    trial.wait_stream(here)
    # as many as cells, dtypes and sizes, not 8; without a C compiler the operators are recorded, after torch's warning
    config = torch._dynamo.config.patch(cache_size_limit=256, suppress_errors=True)
    graph = torch.cuda.CUDAGraph()
    with torch.inference_mode(False), torch.no_grad(), config:
        with torch.cuda.stream(trial):
            work()  # compiles, and has the libraries take their memory
        here.wait_stream(trial)
        with torch.cuda.graph(graph, stream=beside, capture_error_mode="thread_local"):
            work()
    return graph.replay


@cache
def _steps(kind: type[Recurrence], device: str) -> tuple[Callable[..., None], ...]:
    """(a step forward, a step backward), each compiled to a kernel where Triton is there."""

    def forward(x: Any, r: Any, inner: Any, memory: Any, kept: Any, hidden: Any, after: Any) -> None:
        size = memory.shape[1]
        product = r.to(x.dtype) if inner is None else r + inner
        found = kind.forward(x.split(size, dim=1), product.split(size, dim=1), memory)
        for row, value in zip(kept, (*found[0], *found[1]), strict=True):
            row.copy_(value)
        hidden.copy_(found[2])
        if after is not None:
            after.copy_(found[3])

    def backward(
        outputs: Any,
        r: Any,
        factor: Any,
        dmemory: Any,
        gates: Any,
        extra: Any,
        hidden: Any,
        before: Any,
        after: Any,
        dx: Any,
    ) -> None:
        dtype = dmemory.dtype
        found = kind.backward(
            outputs.to(dtype) + factor * r.to(dtype),
            factor * dmemory,
            tuple(row.to(dtype) for row in gates),
            tuple(row.to(dtype) for row in extra),
            hidden.to(dtype),
            before,
            after,
        )
        if isinstance(found[2], Tensor):
            dmemory.copy_(found[2])
        else:
            dmemory.fill_(found[2])
        for row, value in zip((*gates, *dx), (*found[1], *(found[0] if dx else ())), strict=True):
            row.copy_(value)

    functions = (forward, backward)
    if device != "cuda" or importlib.util.find_spec("triton") is None:
        return functions
    return tuple(torch.compile(function, dynamic=False) for function in functions)
