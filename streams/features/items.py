"""Everything a worker knows about items: one slot per item id, catalogue columns and summed counters in arrays.

Counters come from several `events` partitions (sources). Each source's values are absolute, so the sum over sources is
the same however often a record is repeated. Own partitions add events at once; others arrive on `item-counts`.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from models.feature_schema import EVENT_KINDS, HORIZONS
from streams.features.catalogue import CatalogueColumns
from streams.features.co_clicks import by_strength, strongest, summed
from streams.features.count_kernel import count_dwell, count_row, count_rows
from streams.features.count_record import NUM_TOTALS, TOTAL_OF_KIND, TOTALS, CountRecord
from streams.features.decay import HALF_LIVES_MS
from streams.features.source_counts import Neighbours, SourceCounts
from streams.settings import CatalogueFields

__all__ = ["ItemTable"]

Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
MAX_NEIGHBOURS = 64
# Most items have none: these are not kept one by one.
NO_NEIGHBOURS: tuple[Int32, Float32] = np.zeros(0, np.int32), np.zeros(0, np.float32)
IMPRESSIONS, CLICKS = TOTALS.index("impressions"), TOTALS.index("clicks")
# Base rate before enough was seen, and how much counts as enough: the usual click rate of a shop list.
PRIOR_CLICK_RATE, MIN_IMPRESSIONS = 0.05, 100


class ItemTable(CatalogueColumns):
    """Items by slot. Arrays are valid for `[:n]`; see `CatalogueColumns` for the catalogue's columns.

    `totals`: int64[n, 6]; `decayed`: float64[n, H, K], valid at `at_ms`: int64[n].
    `place_of_neighbour`: scratch.
    """

    def __init__(self, fields: CatalogueFields, num_sources: int) -> None:
        super().__init__(fields)
        self.totals: NDArray[np.int64] = np.zeros((0, NUM_TOTALS), np.int64)
        self.decayed: NDArray[np.float64] = np.zeros((0, len(HORIZONS), len(EVENT_KINDS)))
        self.at_ms: NDArray[np.int64] = np.zeros(0, np.int64)
        self.sources = [SourceCounts() for _ in range(num_sources)]
        self.place_of_neighbour: Int32 = np.zeros(0, np.int32)
        self._neighbours: dict[int, tuple[Int32, Float32]] = {}
        self._near: dict[int, tuple[Int32, Float32]] = {}
        self._num_impressions = self._num_clicks = 0
        self.slot("")  # slot 0: no item; keeps 0 out of every list

    def _grow(self, capacity: int) -> None:
        super()._grow(capacity)
        for name in ("totals", "decayed", "at_ms", "place_of_neighbour"):
            old = getattr(self, name)
            new = np.zeros((capacity, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    @property
    def base_rate(self) -> float:
        """Clicks per shown item over everything counted, kept inside [0.001, 0.5]."""
        if self._num_impressions < MIN_IMPRESSIONS:
            return PRIOR_CLICK_RATE
        return min(max(self._num_clicks / self._num_impressions, 0.001), 0.5)

    def count(self, source: int, slots: Sequence[int], kind: int, at_ms: int) -> None:
        """Count one event of `kind` for each slot, from an own partition."""
        counts = self.sources[source]
        counts.add(counts.rows(slots), kind, at_ms)
        own = np.array(slots, np.int32)
        count_rows(self.totals, self.decayed, self.at_ms, own, kind, at_ms)
        self._count_all(kind, len(slots))

    def count_one(self, source: int, slot: int, kind: int, at_ms: int) -> None:
        """Count one event of `kind` for one slot, from an own partition: what `count` does, without arrays of one."""
        counts = self.sources[source]
        counts.add_one(counts.row(slot), kind, at_ms)
        count_row(self.totals, self.decayed, self.at_ms, slot, kind, at_ms)
        self._count_all(kind, 1)

    def _count_all(self, kind: int, num: int) -> None:
        if TOTAL_OF_KIND[kind] == IMPRESSIONS:
            self._num_impressions += num
        elif TOTAL_OF_KIND[kind] == CLICKS:
            self._num_clicks += num

    def add_dwell(self, source: int, slot: int, delta_ms: int, at_ms: int) -> None:
        """Change the dwell total of an item at an event time; negative when a heartbeat replaces a larger one."""
        counts = self.sources[source]
        counts.add_dwell(counts.row(slot), delta_ms, at_ms)
        count_dwell(self.totals, self.decayed, self.at_ms, slot, delta_ms, at_ms)

    def add_co_click(self, source: int, slot: int, others: Sequence[int], at_ms: int) -> None:
        """Count that a user who clicked `others` clicked `slot`, in both directions."""
        self.sources[source].add_co_click(slot, others, at_ms)
        for one in (slot, *others):
            self._near.pop(one, None)
            self._neighbours.pop(one, None)

    def apply(self, source: int, records: Iterable[tuple[str, CountRecord]]) -> None:
        """Take a source's absolute records of items, by id. What we hold and is as new or newer stays."""
        counts, news = self.sources[source], dict[int, CountRecord]()
        for item_id, record in records:
            slot = self.slot(item_id)
            newest = news.get(slot)
            is_news = not counts.includes(slot, record.offset) if newest is None else newest.offset < record.offset
            if is_news:
                news[slot] = record
        if news:
            counts.replace(news, map(self._neighbours_of, news.values()))
            self._sum(list(news))

    def _neighbours_of(self, record: CountRecord) -> Neighbours:
        slots = [self.slot(other) for other, _ in record.neighbours]
        return Neighbours(slots, [weight for _, weight in record.neighbours], record.neighbours_at_ms)

    def includes(self, source: int, item_id: str, offset: int) -> bool:
        """Whether what we hold of a source's item is as new as its record with this offset, or newer."""
        slot = self.find(item_id)
        return slot is not None and self.sources[source].includes(slot, offset)

    def drop_source(self, source: int) -> None:
        """Forget what a source counted: its partition is opened anew, and events never flushed will come again."""
        dropped, self.sources[source] = self.sources[source], SourceCounts()
        self._sum(list(dropped.slots()))

    def assume_shown(self, num_impressions: int, num_clicks: int) -> None:
        """Impressions and clicks of all items together, for a table that holds only some of them."""
        self._num_impressions, self._num_clicks = num_impressions, num_clicks

    def _sum(self, slots: Sequence[int]) -> None:
        """Add up the sources anew for these slots, none of them twice."""
        before, held = self.totals[slots].sum(0), [(source, *source.held(slots)) for source in self.sources]
        at_ms, totals = np.zeros(len(slots), np.int64), np.zeros((len(slots), NUM_TOTALS), np.int64)
        decayed = np.zeros((len(slots), *self.decayed.shape[1:]))
        for source, places, rows in held:
            at_ms[places] = np.maximum(at_ms[places], source.at_ms[rows])
        for source, places, rows in held:
            totals[places] += source.totals[rows]
            factor = np.exp2((source.at_ms[rows] - at_ms[places])[:, None] / HALF_LIVES_MS)
            decayed[places] += source.decayed[rows] * factor[:, :, None]
        self.at_ms[slots], self.totals[slots], self.decayed[slots] = at_ms, totals, decayed
        more = totals.sum(0) - before
        self._num_impressions += int(more[IMPRESSIONS])
        self._num_clicks += int(more[CLICKS])
        for slot in slots:
            self._near.pop(slot, None)
            self._neighbours.pop(slot, None)

    def neighbours(self, slot: int) -> tuple[Int32, Float32]:
        """Items clicked by users who clicked this one, with decayed counts, strongest first, at most 64."""
        cached = self._neighbours.get(slot)
        if cached is None:
            near = self.near(slot)
            if near is NO_NEIGHBOURS:
                return near
            cached = self._neighbours[slot] = by_strength(*near, self.item_ids.__getitem__)
            self._near.pop(slot, None)  # the same, sorted
        return cached

    def near(self, slot: int) -> tuple[Int32, Float32]:
        """The same in any order: sorting them costs more than the rest."""
        cached = self._neighbours.get(slot) or self._near.get(slot)
        if cached is None:
            held = [source.neighbours[slot] for source in self.sources if slot in source.neighbours]
            if not held:
                return NO_NEIGHBOURS
            cached = strongest(MAX_NEIGHBOURS, *summed(held, self.place_of_neighbour), self.item_ids.__getitem__)
            self._near[slot] = cached
        return cached
