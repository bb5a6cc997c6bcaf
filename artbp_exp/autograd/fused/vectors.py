"""A vector of numbers for Numba: LLVM's own vectors, as wide as the machine's registers, with the functions of a cell.

What Numba compiles may load a `Vector` from a contiguous array, compute with it as with a number, and store it. An
array of int16 holds bfloat16: it is widened to float32 when loaded and rounded to nearest even when stored. None stands
for an array of zeros that forgets what is stored in it.
"""

# mypy: disable-error-code="untyped-decorator"

import math
import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
import torch
from llvmlite import ir
from numba import types
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import lower_builtin, models, overload, register_model
from torch import Tensor

from artbp_exp.autograd.fused.recurrence import sigmoid, tanh

# exp needs its two-part reduction and nan must survive: products and sums may be contracted, not reordered
FLAGS = ("contract", "nsz", "arcp")
BYTES = 64 if llvm.get_host_cpu_features().get("avx512f") else 32
"""Width of a vector."""

intrinsic: Any = numba.extending.intrinsic  # its own type does not know that `typing` is not passed
jit: Any = numba.jit(nopython=True, nogil=True, error_model="numpy", cache=True)
inlined: Any = numba.jit(nopython=True, nogil=True, error_model="numpy", forceinline=True)

LOG2_E = 1 / math.log(2)
LN2_HIGH = round(math.log(2) * 2**15) / 2**15  # 15 bits, so that k · LN2_HIGH is exact in float32
LN2_LOW = math.log(2) - LN2_HIGH
# (order of Taylor's series, least and greatest argument, bits of the mantissa, bias of the exponent)
EXP = {types.float32: (7, -87.0, 88.0, 23, 127), types.float64: (13, -708.0, 709.0, 52, 1023)}


class Vector(types.Type):
    """`lanes` numbers of one dtype, float32 or float64."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        self.dtype, self.lanes = dtype, lanes
        super().__init__(name=f"Vector({dtype}, {self.lanes})")

    def llvm(self, element: ir.Type | None = None) -> ir.VectorType:
        """LLVM's type, of numbers or of `element`."""
        number = ir.FloatType() if self.dtype == types.float32 else ir.DoubleType()
        return ir.VectorType(element or number, self.lanes)

    def constant(self, value: float) -> ir.Constant:
        """The same number in every lane."""
        return ir.Constant(self.llvm(), [value] * self.lanes)


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.llvm())


def splat(builder: Any, value: Any, shape: ir.VectorType) -> Any:
    """LLVM's code for a number in every lane."""
    single = builder.insert_element(ir.Constant(shape, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), shape.count), [0] * shape.count)
    return builder.shuffle_vector(single, ir.Constant(shape, ir.Undefined), lanes)


def _as_vector(context: Any, builder: Any, value: Any, kind: Any, vector: Vector) -> Any:
    """A vector as it is; a number in every lane."""
    if isinstance(kind, Vector):
        return value
    return splat(builder, context.cast(builder, value, kind, vector.dtype), vector.llvm())


def _define(operation: Callable[..., Any], method: str) -> None:
    """Lets `operation` take two vectors, or a vector and a number."""

    @infer_global(operation)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            vectors = [kind for kind in args if isinstance(kind, Vector)]
            if len(args) == 2 and vectors and all(isinstance(k, Vector | types.Number) for k in args):
                return signature(vectors[0], *args)
            return None

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        left, right = (_as_vector(context, builder, a, k, sig.return_type) for a, k in zip(args, sig.args, strict=True))
        return getattr(builder, method)(left, right, flags=FLAGS)

    for kinds in ((Vector, Vector), (Vector, types.Number), (types.Number, Vector)):
        lower_builtin(operation, *kinds)(lower)


for _operation, _method in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _define(_operation, _method)


@intrinsic
def _exp(typing: Any, x: Any) -> Any:
    """e^x to the rounding of the dtype, saturating far out; nan stays nan."""
    order, least, greatest, mantissa, bias = EXP[x.dtype]

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value, number = args[0], x.constant
        integers = x.llvm(ir.IntType(x.dtype.bitwidth))

        def whole(value: int) -> ir.Constant:
            return ir.Constant(integers, [value] * x.lanes)

        def multiply_add(a: Any, b: Any, c: Any) -> Any:
            return builder.fadd(builder.fmul(a, b, flags=FLAGS), c, flags=FLAGS)

        for bound, beyond in ((least, "<"), (greatest, ">")):
            outside = builder.fcmp_ordered(beyond, value, number(bound))
            value = builder.select(outside, number(bound), value)
        # e^x = 2^k e^r with |r| ≤ ln 2 / 2; truncation rounds to the nearest because its argument is positive
        shifted = multiply_add(value, number(LOG2_E), number(bias + 1.5))
        k = builder.sub(builder.fptosi(shifted, integers), whole(bias + 1))
        m = builder.sitofp(k, x.llvm())
        r = multiply_add(m, number(-LN2_LOW), multiply_add(m, number(-LN2_HIGH), value))
        series = number(1 / math.factorial(order))
        for n in reversed(range(order)):
            series = multiply_add(series, r, number(1 / math.factorial(n)))
        power = builder.bitcast(builder.shl(builder.add(k, whole(bias)), whole(mantissa)), x.llvm())
        result = builder.fmul(series, power, flags=FLAGS)
        return builder.select(builder.fcmp_unordered("uno", args[0], args[0]), args[0], result)

    return x(x), lower


@overload(sigmoid, strict=False, jit_options={"forceinline": True})
def _sigmoid(x: Any) -> Any:
    if isinstance(x, Vector):
        return lambda x: 1.0 / (1.0 + _exp(0.0 - x))
    return None


@overload(tanh, strict=False, jit_options={"forceinline": True})
def _tanh(x: Any) -> Any:
    if isinstance(x, Vector):
        return lambda x: 1.0 - 2.0 / (_exp(x + x) + 1.0)
    return None


def _zeros(lanes: Callable[[Any], int]) -> Any:
    @intrinsic
    def zeros(typing: Any, array: Any) -> Any:
        """Zeros: tells `load` how many numbers to take."""
        dtype = types.float32 if array.dtype == types.int16 else array.dtype
        vector = Vector(dtype, lanes(dtype))
        return vector(array), lambda context, builder, sig, args: vector.constant(0.0)

    return zeros


wide = _zeros(lambda dtype: BYTES * 8 // dtype.bitwidth)
single = _zeros(lambda dtype: 1)


@intrinsic
def lanes(typing: Any, vector: Any) -> Any:
    """How many numbers a vector has."""
    return types.intp(vector), lambda context, builder, sig, args: context.get_constant(types.intp, vector.lanes)


def _pointer(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, lanes: int) -> Any:
    """Where `lanes` numbers lie in a contiguous array, `offset` numbers from its start."""
    data = context.make_array(array_type)(context, builder, array).data
    element = context.get_data_type(array_type.dtype)
    place = builder.gep(data, [offset])
    return builder.bitcast(place, ir.VectorType(element, lanes).as_pointer())


def load_from(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, vector: Vector) -> Any:
    """LLVM's code for `load`."""
    if array_type == types.none:
        return vector.constant(0.0)
    place = _pointer(context, builder, array_type, array, offset, vector.lanes)
    found = builder.load(place, align=array_type.dtype.bitwidth // 8)
    if array_type.dtype != types.int16:
        return found
    integers = vector.llvm(ir.IntType(32))
    bits = builder.shl(builder.zext(found, integers), ir.Constant(integers, [16] * vector.lanes))
    return builder.bitcast(bits, vector.llvm())


def store_to(context: Any, builder: Any, array_type: Any, array: Any, offset: Any, value: Any, vector: Vector) -> None:
    """LLVM's code for `store`."""
    if array_type == types.none:
        return
    if array_type.dtype == types.int16:
        integers = vector.llvm(ir.IntType(32))

        def whole(number: int) -> ir.Constant:
            return ir.Constant(integers, [number] * vector.lanes)

        bits = builder.bitcast(value, integers)
        odd = builder.and_(builder.lshr(bits, whole(16)), whole(1))
        rounded = builder.add(builder.add(bits, whole(0x7FFF)), odd)
        value = builder.trunc(builder.lshr(rounded, whole(16)), vector.llvm(ir.IntType(16)))
    place = _pointer(context, builder, array_type, array, offset, vector.lanes)
    builder.store(value, place, align=array_type.dtype.bitwidth // 8)


@intrinsic
def load(typing: Any, array: Any, offset: Any, like: Any) -> Any:
    """As many numbers as `like` has, from a contiguous array; `offset` counts numbers from its start."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return load_from(context, builder, array, args[0], args[1], like)

    return like(array, types.intp, like), lower


@intrinsic
def store(typing: Any, array: Any, offset: Any, value: Any, like: Any) -> Any:
    """Writes a vector, or a number in every lane of `like`."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        number = _as_vector(context, builder, args[2], value, like)
        store_to(context, builder, array, args[0], args[1], number, like)
        return context.get_dummy_value()

    return types.none(array, types.intp, value, like), lower


def view(tensor: Tensor | None) -> Any:
    """The tensor's memory as a NumPy array; bfloat16 as 16-bit integers."""
    if tensor is None:
        return None
    tensor = tensor.detach()
    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()
