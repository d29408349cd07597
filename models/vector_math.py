"""Exponential, logarithm and SiLU of float32 in compiled loops, as the compiler can turn them into vector instructions.

The C library's exp and log are calls per number, which keep a loop from being vectorised; a polynomial is not.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

__all__ = ["FAST", "exp32", "log1p32", "sigmoid32", "silu32"]

# Sums keep their order, and infinities and NaN their meaning; a product and a sum may become one instruction.
# What other compiled functions call must be inlined (`inline` or `forceinline`): left to itself the compiler optimises
# it once more for its caller, adds up in another order, and which of the two runs depends on what came from the cache.
FAST = {"contract", "nsz"}
_ONE, _TWO = np.float32(1.0), np.float32(2.0)
# Twice 1 / n: with t up to 1/3, what is left out after n = 13 is below 2^-26 of the sum.
_L3, _L5, _L7, _L9, _L11, _L13 = (np.float32(2.0 / n) for n in (3, 5, 7, 9, 11, 13))
_LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts, so that n ln 2 is taken off without rounding, and the polynomial: Moshier, Cephes library, expf.c.
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_C5, _C4, _C3 = np.float32(1.9875691500e-4), np.float32(1.3981999507e-3), np.float32(8.3334519073e-3)
_C2, _C1, _C0 = np.float32(4.1665795894e-2), np.float32(1.6666665459e-1), np.float32(5.0000001201e-1)
# Beyond these float32 has no exact power of two for the result; e^-87 is 1.6e-38.
_LOWEST, _HIGHEST = np.float32(-87.0), np.float32(88.0)
# Added to a number, it leaves the nearest whole one, and that plus the bias of exponents in the lowest bits.
_ROUNDING = np.float32(1.5 * 2**23 + 127)
_EXPONENT_PLACE = np.int32(23)

if TYPE_CHECKING:

    def _as_float32(bits: np.int32) -> np.float32: ...

    def _as_int32(number: np.float32) -> np.int32: ...

else:

    @intrinsic
    def _as_float32(_typing_context, bits):  # noqa: ANN001, ANN202, ARG001 - numba gives and takes its own types
        """The float32 with these bits."""

        def made(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return builder.bitcast(arguments[0], ir.FloatType())

        return types.float32(types.int32), made

    @intrinsic
    def _as_int32(_typing_context, number):  # noqa: ANN001, ANN202, ARG001 - as above
        """The bits of a float32."""

        def made(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
            return builder.bitcast(arguments[0], ir.IntType(32))

        return types.int32(types.float32), made


@njit(inline="always")
def exp32(x: Any) -> Any:  # noqa: ANN401 - what numpy calls the result of float32 arithmetic depends on its version
    """e^x, right to two units in the last place within [-87, 88]; outside, that of the nearer end.

    NaN stays NaN.
    """
    within = _LOWEST if x < _LOWEST else (min(x, _HIGHEST))
    biased = within * _LOG2_E + _ROUNDING
    n = biased - _ROUNDING
    r = within - n * _LN2_HIGH - n * _LN2_LOW
    series = ((((_C5 * r + _C4) * r + _C3) * r + _C2) * r + _C1) * r + _C0
    power = _as_float32(_as_int32(biased) << _EXPONENT_PLACE)
    return ((series * r + _ONE) * r + _ONE) * power


@njit(inline="always")
def log1p32(u: Any) -> Any:  # noqa: ANN401 - as above
    """log(1 + u) of u in [0, 1], right to two units in the last place: twice the series of artanh(u / (2 + u))."""
    t = u / (_TWO + u)
    square = t * t
    series = ((((_L13 * square + _L11) * square + _L9) * square + _L7) * square + _L5) * square + _L3
    return t * _TWO + t * square * series


@njit(inline="always")
def sigmoid32(x: Any) -> Any:  # noqa: ANN401 - as above
    """One over 1 + e^-x."""
    return _ONE / (_ONE + exp32(-x))


@njit(inline="always")
def silu32(x: Any) -> Any:  # noqa: ANN401 - as above
    """The sigmoid-weighted x: x / (1 + e^-x)."""
    return x / (_ONE + exp32(-x))
