"""What one `events` partition has counted per item: totals, decayed counters, co-clicked neighbours.

Rows are sparse (a slot gets one when the partition first sees the item). Each row carries the offset of the last event
it includes, so that a repeated or older record of it changes nothing.
"""

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS
from streams.features.count_kernel import count_dwell, count_row, count_rows
from streams.features.count_record import NUM_DECAYED, NUM_TOTALS, CountRecord
from streams.features.decay import grown

__all__ = ["Neighbours", "SourceCounts", "neighbours_left"]

NEIGHBOUR_HALF_LIFE_MS = 30 * 86_400_000
# Beyond the first number of neighbours the weakest leave, until the second is left: finding them costs a sort.
NEIGHBOURS_MAX, NEIGHBOURS_KEPT = 80, 64
# Weights are kept as of 2020-01-01 and grow forward (decay.py): doubles hold 84 years before and after.
NEIGHBOUR_BASE_MS = 1_577_836_800_000


class Neighbours:
    """Items co-clicked with one item: slots, and their weights as of `NEIGHBOUR_BASE_MS`; time of the latest click.

    In typed arrays, as sums take those of all sources together: searching eighty slots costs less than a dict's memory.
    """

    __slots__ = ("at_ms", "slots", "weights")

    def __init__(self, slots: Iterable[int] = (), weights: Iterable[float] = (), at_ms: int = 0) -> None:
        self.slots, self.weights, self.at_ms = array("i", slots), array("d", weights), at_ms

    def add(self, other: int, weight: float, at_ms: int) -> None:
        """Strengthen a neighbour; the weakest leave when there are too many (sums are approximate then)."""
        self.at_ms = max(self.at_ms, at_ms)
        if other in self.slots:
            self.weights[self.slots.index(other)] += weight
            return
        self.slots.append(other)
        self.weights.append(weight)
        if len(self.slots) > NEIGHBOURS_MAX:
            kept = sorted(sorted(range(len(self.slots)), key=self.weights.__getitem__)[-NEIGHBOURS_KEPT:])
            self.slots = array("i", [self.slots[place] for place in kept])
            self.weights = array("d", [self.weights[place] for place in kept])


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

    def rows(self, slots: Collection[int]) -> NDArray[np.int32]:
        """int32[n] rows of n slots, made when new."""
        found = list(map(self.row_of.get, slots))
        return np.array([self.row(slot) for slot in slots] if None in found else found, np.int32)

    def _grow(self, capacity: int) -> None:
        for name in ("totals", "decayed", "at_ms", "offset"):
            old = getattr(self, name)
            new = np.full((capacity, *old.shape[1:]), -1 if name == "offset" else 0, old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def add(self, rows: NDArray[np.int32], kind: int, at_ms: int) -> None:
        """Count one event of a kind for each row (no row twice)."""
        count_rows(self.totals, self.decayed, self.at_ms, rows, kind, at_ms)

    def add_one(self, row: int, kind: int, at_ms: int) -> None:
        """Count one event of a kind for one row."""
        count_row(self.totals, self.decayed, self.at_ms, row, kind, at_ms)

    def add_dwell(self, row: int, delta_ms: int, at_ms: int) -> None:
        """Change the dwell total of one row, at an event time."""
        count_dwell(self.totals, self.decayed, self.at_ms, row, delta_ms, at_ms)

    def add_co_click(self, slot: int, others: Iterable[int], at_ms: int) -> None:
        """Count that a user who clicked `others` clicked `slot`, in both directions."""
        weight = grown(at_ms - NEIGHBOUR_BASE_MS, NEIGHBOUR_HALF_LIFE_MS)
        for other in others:
            self._near(slot).add(other, weight, at_ms)
            self._near(other).add(slot, weight, at_ms)

    def _near(self, slot: int) -> Neighbours:
        found = self.neighbours.get(slot)
        if found is None:
            self.row(slot)
            found = self.neighbours[slot] = Neighbours()
        return found

    def includes(self, slot: int, offset: int) -> bool:
        """Whether the row of a slot includes the event at this offset."""
        row = self.row_of.get(slot)
        return row is not None and offset <= int(self.offset[row])

    def held(self, slots: Sequence[int]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of the slots have a row, as their places among `slots`, and the rows."""
        rows = [self.row_of.get(slot, -1) for slot in slots]
        places = np.flatnonzero(np.array(rows, np.intp) >= 0)
        return places, np.array(rows, np.intp)[places]

    def replace(self, records: Mapping[int, CountRecord], neighbours: Iterable[Neighbours]) -> None:
        """Put absolute records in place of the rows, by slot; `neighbours`: those of the records, in the same order."""
        rows, given = self.rows(records), list(records.values())
        self.totals[rows] = [record.totals for record in given]
        decayed = np.array([record.decayed for record in given])
        self.decayed[rows] = decayed.reshape(len(rows), *self.decayed.shape[1:])
        self.at_ms[rows] = [record.at_ms for record in given]
        self.offset[rows] = [record.offset for record in given]
        self.neighbours.update(zip(records, neighbours, strict=True))

    def records(
        self, slots: Sequence[int], item_ids: list[str], *, has_neighbours: bool = True
    ) -> Iterator[CountRecord]:
        """The rows as absolute records, with neighbours by item id, or as if there were none."""
        rows = self.rows(slots)
        offsets, totals, times = self.offset[rows].tolist(), self.totals[rows].tolist(), self.at_ms[rows].tolist()
        decayed = self.decayed[rows].reshape(len(rows), NUM_DECAYED).tolist()
        for slot, offset, total, values, at_ms in zip(slots, offsets, totals, decayed, times, strict=True):
            near = self.neighbours.get(slot, _NONE) if has_neighbours else _NONE
            weights = [(item_ids[other], weight) for other, weight in zip(near.slots, near.weights, strict=True)]
            yield CountRecord(offset, total, values, at_ms, weights, near.at_ms)

    def record(self, slot: int, item_ids: list[str], *, has_neighbours: bool = True) -> CountRecord:
        """One of `records`."""
        return next(self.records([slot], item_ids, has_neighbours=has_neighbours))


_NONE = Neighbours()


def neighbours_left(at_ms: int) -> float:
    """What a weight of 1 is worth at `at_ms`."""
    return grown(NEIGHBOUR_BASE_MS - at_ms, NEIGHBOUR_HALF_LIFE_MS)
