"""Which partitions of the feature rows this worker writes, and filling those whose rows are lacking."""

import asyncio

import numpy as np
from numpy.typing import NDArray

from streams.features.feast_writer import FeatureRowWriter
from streams.features.rows import ITEM_COUNTERS, USER_COUNTERS
from streams.worker.feature_rows import item_rows
from streams.worker.knowledge import Knowledge
from streams.worker.partition_set import PartitionSet

__all__ = ["RowPartitions"]


class RowPartitions:
    """User rows are written by the owner of the `events` partition, item rows by that of `item-counts`."""

    def __init__(self, rows: FeatureRowWriter, knowledge: Knowledge) -> None:
        self._rows, self._knowledge = rows, knowledge
        self._held: set[tuple[str, int]] = set()

    async def acquire(self, events: set[int], item_counts: set[int]) -> list[tuple[str, int]]:
        """Hold exactly these partitions; returns those whose rows must all be written before they are complete."""
        wanted = {(USER_COUNTERS, n) for n in events} | {(ITEM_COUNTERS, n) for n in item_counts}
        await self._release(self._held - wanted)
        lacking: list[tuple[str, int]] = []
        for view, number in sorted(wanted - self._held):
            if await asyncio.to_thread(self._rows.acquire, view, number):
                lacking.append((view, number))
            self._held.add((view, number))
        return lacking

    async def fill(self, lacking: list[tuple[str, int]], partitions: PartitionSet) -> None:
        """Write all rows of partitions that lack some."""
        if any(view == ITEM_COUNTERS for view, _ in lacking):
            counted = [slot for source in self._knowledge.items.sources for slot in source.slots()]
            await self.write_items(np.array(sorted(set(counted)), np.int32))
        for view, number in lacking:
            if view == USER_COUNTERS:
                await partitions.publish_all_users(number)
            await asyncio.to_thread(self._rows.mark_filled, view, number)

    async def write_items(self, slots: NDArray[np.int32]) -> None:
        """Write rows of items, as counted by all partitions together, where this worker holds their partition."""
        ids = self._knowledge.items.item_ids
        held = [
            slot for slot in slots.tolist() if (ITEM_COUNTERS, self._knowledge.partition_of(ids[slot])) in self._held
        ]
        if held:
            await asyncio.to_thread(self._rows.write, item_rows(np.array(held, np.int32), self._knowledge.items))

    async def release_all(self) -> None:
        """Let others write: this worker ends."""
        await self._release(set(self._held))

    async def _release(self, left: set[tuple[str, int]]) -> None:
        for view, number in sorted(left):
            await asyncio.to_thread(self._rows.release, view, number)
            self._held.discard((view, number))
