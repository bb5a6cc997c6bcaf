"""A recurrence as an argument of compiled code: its type decides which equations are compiled in."""

# mypy: disable-error-code="untyped-decorator"

import hashlib
import inspect
from functools import cache
from pathlib import Path
from typing import Any

from numba import types
from numba.core import cgutils
from numba.extending import NativeValue, models, overload, register_model, typeof_impl, unbox

from artbp_exp.autograd.fused import vectors
from artbp_exp.autograd.fused.recurrence import Recurrence
from artbp_exp.autograd.fused.vectors import inlined, intrinsic

SOURCES = b"".join(path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py")))


class Kind(types.Type):
    """Numba's type of a recurrence; its name changes with the source, so that no compiled code outlives it."""

    def __init__(self, recurrence: type[Recurrence]) -> None:
        self.gates, self.extra = recurrence.gates, recurrence.extra
        self.path = f"{recurrence.__module__}.{recurrence.__qualname__}"
        source = hashlib.sha256(SOURCES + inspect.getsource(recurrence).encode())
        super().__init__(name=f"Kind({self.path}, {source.hexdigest()[:16]})")


RECURRENCES: dict[str, type[Recurrence]] = {}


@cache
def _kind(recurrence: type[Recurrence]) -> Kind:
    kind = Kind(recurrence)
    RECURRENCES[kind.path] = recurrence
    return kind


@typeof_impl.register(type(Recurrence))
def _typeof(recurrence: type[Recurrence], context: Any) -> Kind:
    return _kind(recurrence)


register_model(Kind)(models.OpaqueModel)


@unbox(Kind)
def _unbox(kind: Kind, value: Any, c: Any) -> NativeValue:
    return NativeValue(c.context.get_dummy_value())


def forward(kind: Any, x: Any, r: Any, memory: Any) -> Any:
    """`kind.forward`, for compiled code."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(forward, strict=False, jit_options={"forceinline": True})
def _forward(kind: Any, x: Any, r: Any, memory: Any) -> Any:
    equations = inlined(RECURRENCES[kind.path].forward)
    return lambda kind, x, r, memory: equations(x, r, memory)


def backward(kind: Any, dh: Any, dm: Any, gates: Any, extra: Any, hidden: Any, before: Any, after: Any) -> Any:
    """`kind.backward`, for compiled code."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(backward, strict=False, jit_options={"forceinline": True})
def _backward(kind: Any, dh: Any, dm: Any, gates: Any, extra: Any, hidden: Any, before: Any, after: Any) -> Any:
    equations = inlined(RECURRENCES[kind.path].backward)
    return lambda kind, dh, dm, gates, extra, hidden, before, after: equations(
        dh, dm, gates, extra, hidden, before, after
    )


def _load_parts(attribute: str) -> Any:
    @intrinsic
    def load_parts(typing: Any, kind: Any, array: Any, offset: Any, size: Any, like: Any) -> Any:
        """One vector for each gate (or extra) of the kind, `size` numbers apart."""
        count = getattr(kind, attribute)
        tuple_type = types.UniTuple(like, count)

        def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            found, place = [], args[2]
            for _ in range(count):
                found.append(vectors.load_from(context, builder, array, args[1], place, like))
                place = builder.add(place, args[3])
            return context.make_tuple(builder, tuple_type, found)

        return tuple_type(kind, array, types.intp, types.intp, like), lower

    return load_parts


load_gates, load_extra = _load_parts("gates"), _load_parts("extra")


@intrinsic
def store_parts(typing: Any, array: Any, offset: Any, size: Any, parts: Any, like: Any) -> Any:
    """Writes a tuple of vectors, `size` numbers apart."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = args[1]
        for part in cgutils.unpack_tuple(builder, args[3], len(parts)):
            vectors.store_to(context, builder, array, args[0], place, part, like)
            place = builder.add(place, args[2])
        return context.get_dummy_value()

    return types.none(array, types.intp, types.intp, parts, like), lower


@intrinsic
def add_parts(typing: Any, a: Any, b: Any) -> Any:
    """The sums of two tuples of vectors."""

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pairs = zip(*(cgutils.unpack_tuple(builder, arg, len(a)) for arg in args), strict=True)
        return context.make_tuple(builder, a, [builder.fadd(left, right, flags=vectors.FLAGS) for left, right in pairs])

    return a(a, b), lower
