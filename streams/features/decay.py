"""Exponentially decayed counters: a value halves every half-life after the time it is valid at.

Sums of such values are sums of the decayed parts, so counters of several sources add up. A late event is added as what
is left of it at the counter's time; nothing is ever decayed upward. Rows of arrays are moved to the time of their
latest event, by compiled code; a user's own list grows forward instead (Cormode et al., "Forward decay", ICDE 2009):
values stay as of a base time, and a later event counts for more.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS

__all__ = [
    "HALF_LIVES_MS",
    "add_decayed",
    "add_decayed_one",
    "add_forward",
    "as_of",
    "decay_one",
    "decay_to",
    "grown",
]

Float64 = NDArray[np.float64]
HALF_LIVES_MS: Float64 = np.array(list(HORIZONS.values()), np.float64)
_HALF_LIVES = list(HORIZONS.values())
_NUM_KINDS = len(EVENT_KINDS)
# Values grow to at most 2^16 times what they are worth before their base moves.
_BASE_HALF_LIVES = 16
_BASE_MS = _BASE_HALF_LIVES * min(_HALF_LIVES)


def add_decayed(
    values: Float64, at_ms: NDArray[np.int64], rows: NDArray[np.int32], kind: int, event_at_ms: int
) -> None:
    """Add one event of `kind` to each of `rows`. values: float64[n, H, K]; at_ms: int64[n]."""
    _add_rows(values, at_ms, rows, kind, event_at_ms, HALF_LIVES_MS)


def add_decayed_one(values: Float64, at_ms: NDArray[np.int64], row: int, kind: int, event_at_ms: int) -> None:
    """The same for a single row, bit by bit."""
    _add_row(values, at_ms, row, kind, event_at_ms, HALF_LIVES_MS)


def decay_one(values: Float64, at_ms: NDArray[np.int64], row: int, now_ms: int) -> None:
    """Move a row's time forward to `now_ms`; an older `now_ms` changes nothing."""
    _move_row(values, at_ms, row, now_ms, HALF_LIVES_MS)


@njit(cache=True, error_model="numpy", nogil=True)
def _move_row(values: Float64, at_ms: NDArray[np.int64], row: int, now_ms: int, half_lives_ms: Float64) -> None:
    age_ms = now_ms - at_ms[row]
    if age_ms > 0:
        for h in range(len(half_lives_ms)):
            kept = math.pow(2.0, -age_ms / half_lives_ms[h])
            for k in range(values.shape[2]):
                values[row, h, k] *= kept
        at_ms[row] = now_ms


@njit(cache=True, error_model="numpy", nogil=True)
def _add_row(  # noqa: PLR0917 - numba compiles no keywords
    values: Float64, at_ms: NDArray[np.int64], row: int, kind: int, event_at_ms: int, half_lives_ms: Float64
) -> None:
    _move_row(values, at_ms, row, event_at_ms, half_lives_ms)
    age_ms = event_at_ms - at_ms[row]
    for h in range(len(half_lives_ms)):
        values[row, h, kind] += math.pow(2.0, age_ms / half_lives_ms[h]) if age_ms < 0 else 1.0


@njit(cache=True, error_model="numpy", nogil=True)
def _add_rows(  # noqa: PLR0917 - numba compiles no keywords
    values: Float64, at_ms: NDArray[np.int64], rows: NDArray[np.int32], kind: int, event_at_ms: int,
    half_lives_ms: Float64,
) -> None:  # fmt: skip
    for row in rows:
        _add_row(values, at_ms, row, kind, event_at_ms, half_lives_ms)


def add_forward(values: list[float], base_ms: int, kind: int, event_at_ms: int, count: int) -> int:
    """Add events to a list of H x K values as of a base time; returns the base, moved when events are far beyond."""
    ahead_ms = event_at_ms - base_ms
    if ahead_ms > _BASE_MS:
        for h, kept in enumerate(_left(-ahead_ms)):
            block = slice(h * _NUM_KINDS, (h + 1) * _NUM_KINDS)
            values[block] = [value * kept for value in values[block]]
        base_ms, ahead_ms = event_at_ms, 0
    for half_life_ms in _HALF_LIVES:
        values[kind] += count * grown(ahead_ms, half_life_ms)
        kind += _NUM_KINDS
    return base_ms


def as_of(values: list[float], base_ms: int, at_ms: int) -> list[float]:
    """What a list that grows forward is worth at `at_ms`."""
    kept = _left(base_ms - at_ms)
    return [value * kept[index // _NUM_KINDS] for index, value in enumerate(values)]


def grown(ahead_ms: int, half_life_ms: int) -> float:
    """What an event counts for, so long after the base time; less than 1 before it."""
    return math.pow(2.0, ahead_ms / half_life_ms)


def _left(ahead_ms: int) -> list[float]:
    return [grown(ahead_ms, half_life_ms) for half_life_ms in _HALF_LIVES]


def decay_to(values: Float64, at_ms: NDArray[np.int64], now_ms: int) -> Float64:
    """float64[n, H, K] as of `now_ms`; an older `now_ms` leaves values as they are (never decayed upward)."""
    age_ms = np.maximum(now_ms - at_ms, 0)
    return values * np.exp2(-age_ms[:, None] / HALF_LIVES_MS)[:, :, None]
