"""A matrix product of our own for one thread, so that a whole segment needs no call of a library: x ↦ x Wᵀ.

The weight lies in panels (depth, two vectors of columns). Some rows of x are multiplied by a panel at a time, with all
their sums in registers.
"""

# mypy: disable-error-code="untyped-decorator"

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from torch import Tensor, nn

from artbp_exp.autograd.fused.vectors import (
    BYTES,
    FLAGS,
    Vector,
    inlined,
    intrinsic,
    jit,
    load_from,
    splat,
    store_to,
    view,
)


def _rows(count: int, *, add: bool) -> Any:
    @intrinsic
    def rows(typing: Any, a: Any, left: Any, b: Any, right: Any, depth: Any, out: Any, to: Any) -> Any:
        """`count` rows of a times 2 vectors of columns of b, written or added to `out`.

        Where they begin, and steps: `left` (start, from row to row, along the depth), `right` and `to` (start, to the
        next row).
        """
        vector = Vector(a.dtype, BYTES * 8 // a.dtype.bitwidth)
        two, three = types.UniTuple(types.intp, 2), types.UniTuple(types.intp, 3)

        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            tile = _Tile(context, builder, vector, count)
            first, stride = cgutils.unpack_tuple(builder, args[6], 2)
            entries = (a, args[0], *cgutils.unpack_tuple(builder, args[1], 3))
            columns = (b, args[2], *cgutils.unpack_tuple(builder, args[3], 2))
            for r, row in enumerate(tile.sums(entries, columns, args[4])):
                for v, value in enumerate(row):
                    offset = builder.add(tile.shifted(first, stride, r), tile.integer(v * vector.lanes))
                    if add:
                        before = load_from(context, builder, out, args[5], offset, vector)
                        value = builder.fadd(value, before, flags=FLAGS)
                    store_to(context, builder, out, args[5], offset, value, vector)
            return context.get_dummy_value()

        return types.none(a, three, b, two, types.intp, out, two), lower

    return rows


class _Tile:
    """LLVM's code for the products of some rows with one panel: a loop over the depth, the sums in registers."""

    def __init__(self, context: Any, builder: Any, vector: Vector, rows: int) -> None:
        self.context, self.builder, self.vector, self.rows = context, builder, vector, rows

    def integer(self, value: int) -> Any:
        return self.context.get_constant(types.intp, value)

    def shifted(self, offset: Any, step: Any, times: int) -> Any:
        return self.builder.add(offset, self.builder.mul(step, self.integer(times)))

    def sums(self, left: tuple[Any, ...], right: tuple[Any, ...], depth: Any) -> list[list[Any]]:
        """[row][vector] of the product; `left` and `right` are (array type, array, start, steps)."""
        builder, zero = self.builder, self.vector.constant(0.0)
        before = builder.basic_block
        loop, after = builder.append_basic_block("depth"), builder.append_basic_block("done")
        builder.branch(loop)
        builder.position_at_end(loop)
        k = builder.phi(depth.type)
        sums = [[builder.phi(zero.type) for _ in range(2)] for _ in range(self.rows)]
        column = builder.add(right[2], builder.mul(k, right[3]))
        weights = [
            self._load(right, builder.add(column, self.integer(v * self.vector.lanes)), self.vector) for v in range(2)
        ]
        along = builder.add(left[2], builder.mul(k, left[4]))
        found = []
        for r in range(self.rows):
            entry = self._entry(left, self.shifted(along, left[3], r))
            products = [builder.fmul(entry, weight, flags=FLAGS) for weight in weights]
            found.append([builder.fadd(p, s, flags=FLAGS) for p, s in zip(products, sums[r], strict=True)])
        following = builder.add(k, self.integer(1))
        for phi, start, value in [(k, self.integer(0), following)] + [
            (phi, zero, value)
            for phis, values in zip(sums, found, strict=True)
            for phi, value in zip(phis, values, strict=True)
        ]:
            phi.add_incoming(start, before)
            phi.add_incoming(value, loop)
        builder.cbranch(builder.icmp_signed("<", following, depth), loop, after)
        builder.position_at_end(after)
        return found

    def _entry(self, left: tuple[Any, ...], place: Any) -> Any:
        number = self._load(left, place, Vector(self.vector.dtype, 1))
        first = self.builder.extract_element(number, ir.Constant(ir.IntType(32), 0))
        return splat(self.builder, first, self.vector.llvm())

    def _load(self, array: tuple[Any, ...], place: Any, vector: Vector) -> Any:
        return load_from(self.context, self.builder, array[0], array[1], place, vector)


TILE = 8 if BYTES == 64 else 6
"""Rows of a product at a time: their sums, two vectors each, fill the registers."""

COLUMNS = 2 * BYTES // 4
"""Columns of a panel in float32."""

_many_rows, _one_row = _rows(TILE, add=False), _rows(1, add=False)
_add_many_rows, _add_one_row = _rows(TILE, add=True), _rows(1, add=True)


@inlined
def place(array: Any, t: int, b: int) -> Any:
    """Where the row of step t and stream b begins; an array of fewer steps holds the last of them only."""
    return (min(t, array.shape[0] - 1) * array.shape[1] + b) * array.shape[2]


@inlined
def multiply(a: Any, t: int, panels: Any, out: Any) -> None:
    """out (B, N or more) = a_t (B, K) · W, in panels of two vectors of columns (`pack`)."""
    count, depth, width = panels.shape
    streams, stride = out.shape
    start = place(a, t, 0)
    for p in range(count):
        panel, column = (p * depth * width, width), p * width
        if streams >= TILE:
            for first in range(0, streams, TILE):
                b = min(first, streams - TILE)  # the last rows overlap with those before
                _many_rows(a, (start + b * depth, depth, 1), panels, panel, depth, out, (b * stride + column, stride))
        else:
            for b in range(streams):
                _one_row(a, (start + b * depth, depth, 1), panels, panel, depth, out, (b * stride + column, stride))


@inlined
def add_product(a: Any, b: Any, t: int, width: int, out: Any) -> None:
    """out (O, I) += a_tᵀ b_t for a (n, B, O) and b (n, B, I); I is a multiple of `width`, two vectors of columns."""
    rows, columns, streams = a.shape[2], b.shape[2], a.shape[1]
    whole = rows - rows % TILE
    left, right = place(a, t, 0), place(b, t, 0)
    for i in range(0, columns, width):
        for o in range(0, whole, TILE):
            _add_many_rows(a, (left + o, 1, rows), b, (right + i, columns), streams, out, (o * columns + i, columns))
        for o in range(whole, rows):
            _add_one_row(a, (left + o, 1, rows), b, (right + i, columns), streams, out, (o * columns + i, columns))


@jit
def _pack(weight: Any, panels: Any) -> None:
    count, depth, width = panels.shape
    for p in range(count):
        for column in range(width):
            n = p * width + column
            for k in range(depth):
                panels[p, k, column] = weight[n, k] if n < weight.shape[0] else 0.0


def pack(weight: Tensor) -> Any:
    """W (N, K) for x ↦ x Wᵀ: its rows in panels (N / width, K, width)."""
    width = 2 * BYTES // weight.element_size()
    count, depth = -(-weight.shape[0] // width), weight.shape[1]
    if weight.is_contiguous():
        panels = weight.new_empty(count, depth, width)
        _pack(view(weight), view(panels))
    else:
        padded = nn.functional.pad(weight.detach().t(), (0, count * width - weight.shape[0]))
        panels = padded.view(depth, count, width).transpose(0, 1).contiguous()
    return view(panels)


@jit
def multiply_once(a: Any, panels: Any, out: Any) -> None:
    """`multiply` by the rows of step 0, to be called from Python."""
    multiply(a, 0, panels, out)
