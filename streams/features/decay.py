"""Exponentially decayed counters: a value halves every half-life after the time it is valid at.

Sums of such values are sums of the decayed parts, so counters of several sources add up. A late event is added as what
is left of it at the counter's time; nothing is ever decayed upward. Rows of arrays are moved to the time of their
latest event, by compiled code (count_kernel.py); a user's own list grows forward instead (Cormode et al., "Forward
decay", ICDE 2009): values stay as of a base time, and a later event counts for more.
"""

import math

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS

__all__ = [
    "HALF_LIVES_MS",
    "add_forward",
    "as_of",
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


def add_forward(values: list[float], base_ms: int, kind: int, event_at_ms: int, count: int) -> int:
    """Add events to a list of H x K values as of a base time; returns the base, moved when events are far beyond."""
    ahead_ms = event_at_ms - base_ms
    if ahead_ms > _BASE_MS:
        for h, kept in enumerate(_left(-ahead_ms)):
            block = slice(h * _NUM_KINDS, (h + 1) * _NUM_KINDS)
            values[block] = [value * kept for value in values[block]]
        base_ms, ahead_ms = event_at_ms, 0
    for half_life_ms in _HALF_LIVES:
        values[kind] += count * math.pow(2.0, ahead_ms / half_life_ms)
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
