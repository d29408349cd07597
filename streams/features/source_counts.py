"""What one `events` partition has counted per item: totals, decayed counters, co-clicked neighbours.

Rows are sparse (a slot gets one when the partition first sees the item). Each row carries the offset of the last event
it includes, so that a repeated or older record of it changes nothing.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS
from streams.features.decay import add_decayed, add_decayed_one, decay_one

__all__ = ["NUM_TOTALS", "TOTALS", "TOTAL_OF_KIND", "SourceCounts"]

TOTALS: tuple[str, ...] = ("impressions", "views", "clicks", "carts", "orders", "dwell_ms")
NUM_TOTALS = len(TOTALS)
# Column of `totals` that an event kind adds to; a dislike has only decayed counters.
TOTAL_OF_KIND: tuple[int, ...] = tuple(TOTALS.index(f"{kind}s") if f"{kind}s" in TOTALS else -1 for kind in EVENT_KINDS)
NEIGHBOUR_HALF_LIFE_MS = 30 * 86_400_000
NEIGHBOURS_MAX = 64
Neighbours = dict[int, tuple[float, int]]


class SourceCounts:
    """Counters of one source. `row_of` maps an item's slot to its row in the arrays."""

    def __init__(self) -> None:
        self.row_of: dict[int, int] = {}
        self.totals: NDArray[np.int64] = np.zeros((64, NUM_TOTALS), np.int64)
        self.decayed: NDArray[np.float64] = np.zeros((64, len(HORIZONS), len(EVENT_KINDS)))
        self.at_ms: NDArray[np.int64] = np.zeros(64, np.int64)
        self.offset: NDArray[np.int64] = np.full(64, -1, np.int64)
        self.neighbours: dict[int, Neighbours] = {}

    def slots(self) -> Iterable[int]:
        """Slots with a row."""
        return self.row_of.keys()

    def row(self, slot: int) -> int:
        """The row of a slot, made when new."""
        found = self.row_of.get(slot)
        if found is None:
            found = self.row_of[slot] = len(self.row_of)
            if found >= len(self.totals):
                self._grow(2 * found)
        return found

    def rows(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """int32[n] rows of int32[n] slots."""
        return np.array([self.row(slot) for slot in slots.tolist()], np.int32)

    def _grow(self, capacity: int) -> None:
        for name in ("totals", "decayed", "at_ms", "offset"):
            old = getattr(self, name)
            new = np.full((capacity, *old.shape[1:]), -1 if name == "offset" else 0, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def add(self, rows: NDArray[np.int32], kind: int, at_ms: int) -> None:
        """Count one event of a kind for each row (no row twice)."""
        add_decayed(self.decayed, self.at_ms, rows, kind, at_ms)
        if TOTAL_OF_KIND[kind] >= 0:
            self.totals[rows, TOTAL_OF_KIND[kind]] += 1

    def add_one(self, row: int, kind: int, at_ms: int) -> None:
        """Count one event of a kind for one row."""
        add_decayed_one(self.decayed, self.at_ms, row, kind, at_ms)
        if TOTAL_OF_KIND[kind] >= 0:
            self.totals[row, TOTAL_OF_KIND[kind]] += 1

    def add_dwell(self, row: int, delta_ms: int, at_ms: int) -> None:
        """Change the dwell total of one row, at an event time."""
        decay_one(self.decayed, self.at_ms, row, at_ms)
        self.totals[row, NUM_TOTALS - 1] += delta_ms

    def add_neighbour(self, slot: int, other: int, at_ms: int) -> None:
        """Strengthen `other` as a neighbour of `slot`; beyond 64 the weakest leaves (sums are approximate then)."""
        self.row(slot)
        held = self.neighbours.setdefault(slot, {})
        weight, then_ms = held.get(other, (0.0, at_ms))
        now_ms = max(then_ms, at_ms)
        held[other] = (_decayed(weight, then_ms, now_ms) + _decayed(1.0, at_ms, now_ms), now_ms)
        if len(held) > NEIGHBOURS_MAX:
            del held[min(held, key=lambda k: (_decayed(*held[k], now_ms), k == other))]

    def neighbours_of(self, slot: int) -> Iterator[tuple[int, float]]:
        """(other slot, weight), decayed to the newest of them."""
        held = self.neighbours.get(slot)
        if held:
            now_ms = max(at_ms for _, at_ms in held.values())
            for other, (weight, at_ms) in held.items():
                yield other, _decayed(weight, at_ms, now_ms)

    def includes(self, slot: int, offset: int) -> bool:
        """Whether the row of a slot includes the event at this offset."""
        row = self.row_of.get(slot)
        return row is not None and offset <= int(self.offset[row])

    def replace(self, slot: int, record: Mapping[str, Any], neighbours: Neighbours) -> bool:
        """Put an absolute record in place of the row. False when the row includes as much already."""
        row = self.row(slot)
        if record["offset"] <= self.offset[row]:
            return False
        self.totals[row] = record["totals"]
        self.decayed[row] = np.reshape(record["decayed"], self.decayed.shape[1:])
        self.at_ms[row] = record["at_ms"]
        self.offset[row] = record["offset"]
        self.neighbours[slot] = neighbours
        return True

    def record(self, slot: int, item_ids: list[str]) -> dict[str, Any]:
        """The row as an absolute record: what `replace` takes, with neighbours by item id."""
        row = self.row(slot)
        held = self.neighbours.get(slot, {})
        return {
            "offset": int(self.offset[row]),
            "totals": self.totals[row].tolist(),
            "decayed": self.decayed[row].ravel().tolist(),
            "at_ms": int(self.at_ms[row]),
            "neighbours": [(item_ids[other], weight, at_ms) for other, (weight, at_ms) in held.items()],
        }


def _decayed(weight: float, then_ms: int, now_ms: int) -> float:
    return weight * math.pow(2.0, (then_ms - now_ms) / NEIGHBOUR_HALF_LIFE_MS)
