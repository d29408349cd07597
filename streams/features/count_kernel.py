"""Counting an event in rows of arrays, compiled: its total, and its decayed counters (decay.py) in the same call.

A call costs more than what it does to a row, so one does all. Rows are moved to the time of their latest event; a late
event is added as what is left of it then.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from streams.features.count_record import NUM_TOTALS, TOTAL_OF_KIND
from streams.features.decay import HALF_LIVES_MS

__all__ = ["count_dwell", "count_row", "count_rows"]

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
DWELL = NUM_TOTALS - 1


def count_rows(  # noqa: PLR0917 - called for every event
    totals: Int64, decayed: Float64, at_ms: Int64, rows: NDArray[np.int32], kind: int, now_ms: int
) -> None:
    """Count an event of `kind` at `now_ms` in each of `rows`.

    totals: int64[n, T], but for kinds that have none; decayed: float64[n, H, K]; at_ms: int64[n].
    """
    _count_rows(totals, decayed, at_ms, rows, kind, TOTAL_OF_KIND[kind], now_ms, HALF_LIVES_MS)


def count_row(  # noqa: PLR0917 - called for every event
    totals: Int64, decayed: Float64, at_ms: Int64, row: int, kind: int, now_ms: int
) -> None:
    """The same for a single row, bit by bit."""
    _count_row(totals, decayed, at_ms, row, kind, TOTAL_OF_KIND[kind], now_ms, HALF_LIVES_MS)


def count_dwell(  # noqa: PLR0917 - called for every dwell
    totals: Int64, decayed: Float64, at_ms: Int64, row: int, delta_ms: int, now_ms: int
) -> None:
    """Change the dwell total of a row, and move its time forward to `now_ms`."""
    _count_dwell(totals, decayed, at_ms, row, delta_ms, now_ms, HALF_LIVES_MS)


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _move(decayed: Float64, at_ms: Int64, row: int, now_ms: int, half_lives_ms: Float64) -> None:
    age_ms = now_ms - at_ms[row]
    if age_ms > 0:
        for h in range(len(half_lives_ms)):
            kept = math.pow(2.0, -age_ms / half_lives_ms[h])
            for k in range(decayed.shape[2]):
                decayed[row, h, k] *= kept
        at_ms[row] = now_ms


@njit(cache=True, error_model="numpy", nogil=True, forceinline=True)
def _count(  # noqa: PLR0917 - numba compiles no keywords
    totals: Int64, decayed: Float64, at_ms: Int64, row: int, kind: int, total: int, now_ms: int, half_lives_ms: Float64
) -> None:
    _move(decayed, at_ms, row, now_ms, half_lives_ms)
    age_ms = now_ms - at_ms[row]
    for h in range(len(half_lives_ms)):
        decayed[row, h, kind] += math.pow(2.0, age_ms / half_lives_ms[h]) if age_ms < 0 else 1.0
    if total >= 0:
        totals[row, total] += 1


@njit(cache=True, error_model="numpy", nogil=True)
def _count_row(  # noqa: PLR0917 - numba compiles no keywords
    totals: Int64, decayed: Float64, at_ms: Int64, row: int, kind: int, total: int, now_ms: int, half_lives_ms: Float64
) -> None:
    _count(totals, decayed, at_ms, row, kind, total, now_ms, half_lives_ms)


@njit(cache=True, error_model="numpy", nogil=True)
def _count_rows(  # noqa: PLR0917 - numba compiles no keywords
    totals: Int64, decayed: Float64, at_ms: Int64, rows: NDArray[np.int32], kind: int, total: int, now_ms: int,
    half_lives_ms: Float64,
) -> None:  # fmt: skip
    for row in rows:
        _count(totals, decayed, at_ms, row, kind, total, now_ms, half_lives_ms)


@njit(cache=True, error_model="numpy", nogil=True)
def _count_dwell(  # noqa: PLR0917 - numba compiles no keywords
    totals: Int64, decayed: Float64, at_ms: Int64, row: int, delta_ms: int, now_ms: int, half_lives_ms: Float64
) -> None:
    _move(decayed, at_ms, row, now_ms, half_lives_ms)
    totals[row, DWELL] += delta_ms
