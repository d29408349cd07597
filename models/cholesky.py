"""Cholesky factors of matrices of about a hundred rows, and solutions by them, compiled: LAPACK is slow when so small.

The upper triangle is what is read and written, as rows of it are contiguous: B = UᵀU, so U is the lower factor's
transpose. ROWS rows at a time take all products of the rows above, and then their own, row by row.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.tiles import LANES, ROWS, take_products
from models.vector_math import FAST

__all__ = ["add_multiple", "dot", "factorise", "solve"]

Float32 = NDArray[np.float32]
_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def factorise(upper_PP: Float32, inverse_P: Float32) -> None:
    """B becomes U; what is below the diagonal means nothing. `inverse_P`: takes 1 / the diagonal of U.

    P is a multiple of LANES.
    """
    for top in range(0, len(upper_PP), ROWS):
        for column in range(top // LANES * LANES, len(upper_PP), LANES):
            take_products(upper_PP, upper_PP, top, top, column)
        _finish(upper_PP[top : top + ROWS], inverse_P[top : top + ROWS], top)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def _finish(upper_IP: Float32, inverse_I: Float32, top: int) -> None:
    """Rows that begin at `top`, which lack each other's products."""
    for i in range(len(upper_IP)):
        row = upper_IP[i][top:]
        inverse_I[i] = _ONE / np.sqrt(row[i])
        for c in range(len(row)):
            row[c] *= inverse_I[i]
        for below in range(i + 1, len(upper_IP)):
            add_multiple(upper_IP[below][top:], -row[below], row)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def solve(upper_PP: Float32, inverse_P: Float32, x_P: Float32) -> None:
    """Solves B x = b: `x_P` holds b, and then x."""
    for k in range(len(x_P)):
        x_P[k] *= inverse_P[k]
        add_multiple(x_P[k + 1 :], -x_P[k], upper_PP[k][k + 1 :])
    for k in range(len(x_P) - 1, -1, -1):
        x_P[k] = (x_P[k] - dot(upper_PP[k][k + 1 :], x_P[k + 1 :])) * inverse_P[k]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST)
def add_multiple(to_C: Float32, times: np.float32, what_C: Float32) -> None:
    """Adds to `to_C`."""
    for c in range(len(to_C)):
        to_C[c] += times * what_C[c]


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True, fastmath=FAST | {"reassoc"})
def dot(one_C: Float32, other_C: Float32) -> np.float32:
    """The sum of products, in the order that vector instructions like."""
    total = _ZERO
    for c in range(len(one_C)):
        total += one_C[c] * other_C[c]
    return total
