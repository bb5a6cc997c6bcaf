"""Element-wise functions for Numba that LLVM can vectorise: exp, sigmoid, tanh, and bfloat16 as 16 bits."""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic, overload

# no reassociation: exp needs its two-part reduction; nan and inf must survive, they tell divergence
FLAGS: dict[str, Any] = {
    "nopython": True,
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"contract", "nsz", "arcp"},
}

LOG2_E = 1 / math.log(2)
LN2_HIGH = round(math.log(2) * 2**15) / 2**15  # 15 bits, so that k · LN2_HIGH is exact in float32
LN2_LOW = math.log(2) - LN2_HIGH
BIAS_32, BIAS_64 = 127, 1023


def _reinterpret(context: Any, value: Any) -> Any:
    """Reinterprets bits: int32 ↔ float32, int64 ↔ float64."""
    pairs: dict[Any, Any] = {
        types.int32: types.float32,
        types.int64: types.float64,
        types.float32: types.int32,
        types.float64: types.int64,
    }
    to = pairs[value]

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(to))

    return to(value), codegen


_bits: Any = intrinsic(_reinterpret)


def exp(x: Any) -> Any:
    """e^x for float32 and float64, to the rounding of the dtype, saturating far out; nan stays nan."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(exp, jit_options={"fastmath": FLAGS["fastmath"]}, inline="always")
def _exp(x: Any) -> Any:
    if x == types.float32:
        return _exp32
    return _exp64


def _exp32(x: Any) -> Any:
    # e^x = 2^k e^r, |r| ≤ ln 2 / 2; Taylor's series of e^r to the 7th order is exact to 5e-9 there
    f = np.float32
    y = min(max(x, f(-87.0)), f(88.0))
    k = np.int32(y * f(LOG2_E) + f(128.5)) - np.int32(128)
    m = f(k)
    r = (y - m * f(LN2_HIGH)) - m * f(LN2_LOW)
    p = f(1 / 5040)
    p = p * r + f(1 / 720)
    p = p * r + f(1 / 120)
    p = p * r + f(1 / 24)
    p = p * r + f(1 / 6)
    p = p * r + f(1 / 2)
    p = p * r + f(1.0)
    p = p * r + f(1.0)
    power = p * _bits(np.int32((k + np.int32(BIAS_32)) << np.int32(23)))
    return power if x == x else x  # nan tells divergence


def _exp64(x: Any) -> Any:
    # the same in float64: Taylor's series to the 13th order is exact to 5e-18
    y = min(max(x, -708.0), 709.0)
    k = np.int64(y * LOG2_E + 1024.5) - np.int64(1024)
    m = np.float64(k)
    r = (y - m * LN2_HIGH) - m * LN2_LOW
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 1 / 2
    p = p * r + 1.0
    p = p * r + 1.0
    power = p * _bits(np.int64((k + np.int64(BIAS_64)) << np.int64(52)))
    return power if x == x else x


def sigmoid(x: Any) -> Any:
    """1 / (1 + e^−x)."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(sigmoid, jit_options={"fastmath": FLAGS["fastmath"]}, inline="always")
def _sigmoid(x: Any) -> Any:
    f = np.float32 if x == types.float32 else np.float64

    def kernel(x: Any) -> Any:
        return f(1.0) / (f(1.0) + exp(-x))

    return kernel


def tanh(x: Any) -> Any:
    """1 − 2 / (e^{2x} + 1)."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(tanh, jit_options={"fastmath": FLAGS["fastmath"]}, inline="always")
def _tanh(x: Any) -> Any:
    f = np.float32 if x == types.float32 else np.float64

    def kernel(x: Any) -> Any:
        return f(1.0) - f(2.0) / (exp(x + x) + f(1.0))

    return kernel


def widen(x: Any) -> Any:
    """A number as it is, or the 16 bits of a bfloat16 as float32."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(widen, inline="always")
def _widen(x: Any) -> Any:
    if x == types.int16:

        def from_bits(x: Any) -> Any:
            return _bits(np.int32(np.int32(x) << np.int32(16)))

        return from_bits

    def as_is(x: Any) -> Any:
        return x

    return as_is


def narrow(row: Any, j: Any, x: Any) -> Any:
    """row[j] = x, rounded to the nearest bfloat16 (ties to even) where the row holds 16 bits."""
    raise NotImplementedError  # only its overload, for compiled code, exists


@overload(narrow, inline="always")
def _narrow(row: Any, j: Any, x: Any) -> Any:
    if row.dtype == types.int16:

        def to_bits(row: Any, j: Any, x: Any) -> None:
            bits = _bits(np.float32(x))
            odd = (bits >> np.int32(16)) & np.int32(1)
            row[j] = np.int16((bits + np.int32(0x7FFF) + odd) >> np.int32(16))

        return to_bits

    def as_is(row: Any, j: Any, x: Any) -> None:
        row[j] = x

    return as_is
