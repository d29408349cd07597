"""Exponentially decayed counters: a value is valid at its own time and halves every half-life after it.

Sums of such values are sums of the decayed parts, so counters of several sources add up. A late event is added as what
is left of it at the counter's time; nothing is ever decayed upward.
"""

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import HORIZONS

__all__ = ["HALF_LIVES_MS", "add_decayed", "add_decayed_list", "add_decayed_one", "decay_one", "decay_to"]

HALF_LIVES_MS: NDArray[np.float64] = np.array(list(HORIZONS.values()), np.float64)
_HALF_LIVES = list(HORIZONS.values())


def add_decayed(
    values: NDArray[np.float64], at_ms: NDArray[np.int64], rows: NDArray[np.int32], kind: int, event_at_ms: int
) -> None:
    """Add one event of `kind` to each of `rows` (no row twice). values: float64[n, H, K]; at_ms: int64[n]."""
    old = at_ms[rows]
    new = np.maximum(old, event_at_ms)
    kept = np.exp2((old - new)[:, None] / HALF_LIVES_MS)
    block = values[rows] * kept[:, :, None]
    block[:, :, kind] += np.exp2((event_at_ms - new)[:, None] / HALF_LIVES_MS)
    values[rows] = block
    at_ms[rows] = new


def add_decayed_one(
    values: NDArray[np.float64], at_ms: NDArray[np.int64], row: int, kind: int, event_at_ms: int
) -> None:
    """The same for a single row, bit by bit: an array of one costs ten times what its arithmetic does."""
    age_ms = decay_one(values, at_ms, row, event_at_ms)
    values[row][:, kind] += np.exp2(age_ms / HALF_LIVES_MS) if age_ms < 0 else 1.0


def decay_one(values: NDArray[np.float64], at_ms: NDArray[np.int64], row: int, now_ms: int) -> int:
    """Move a row's time forward to `now_ms`; an older `now_ms` changes nothing. Returns by how much it is newer."""
    age_ms = now_ms - int(at_ms[row])
    if age_ms > 0:
        values[row] *= np.exp2(-age_ms / HALF_LIVES_MS)[:, None]
        at_ms[row] = now_ms
    return age_ms


def add_decayed_list(
    values: list[float], at_ms: int, kind: int, *, num_kinds: int, event_at_ms: int, count: int
) -> int:
    """The same for one entity kept as a flat list of H x K values; returns the new time of the values."""
    if event_at_ms > at_ms:
        for h, half_life_ms in enumerate(_HALF_LIVES):
            kept = 2.0 ** ((at_ms - event_at_ms) / half_life_ms)
            block = slice(h * num_kinds, (h + 1) * num_kinds)
            values[block] = [value * kept for value in values[block]]
            values[h * num_kinds + kind] += count
        return event_at_ms
    for h, half_life_ms in enumerate(_HALF_LIVES):
        values[h * num_kinds + kind] += count * 2.0 ** ((event_at_ms - at_ms) / half_life_ms)
    return at_ms


def decay_to(values: NDArray[np.float64], at_ms: NDArray[np.int64], now_ms: int) -> NDArray[np.float64]:
    """float64[n, H, K] as of `now_ms`; an older `now_ms` leaves values as they are (never decayed upward)."""
    age_ms = np.maximum(now_ms - at_ms, 0)
    return values * np.exp2(-age_ms[:, None] / HALF_LIVES_MS)[:, :, None]
