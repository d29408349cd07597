"""Erases forgotten users from the Parquet history, beside the flow of events: it may have to read every part.

Whom to erase is part of a partition's state until it is done, so a worker killed meanwhile goes on after its restart.
"""

import asyncio

import structlog

from streams.clock import Clock
from streams.features.feast_writer import FeatureRowWriter
from streams.features.rows import USER_COUNTERS
from streams.worker.partition_set import PartitionSet

__all__ = ["HistoryErasure"]

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 1.0
# How long it rests, as a multiple of what the last pass took: users that are forgotten meanwhile share the next one.
REST_FACTOR = 4.0
# Another worker on this machine makes a part of its spool within minutes.
RETRY_S = 30.0


class HistoryErasure:
    """Use `run` as a background task of the worker."""

    def __init__(self, clock: Clock, rows: FeatureRowWriter, partitions: PartitionSet) -> None:
        self._clock, self._rows, self._partitions = clock, rows, partitions

    async def run(self) -> None:
        """Look for forgotten users again and again."""
        while True:
            started_s = self._clock.monotonic_s()
            is_whole = await self.erase()
            took_s = self._clock.monotonic_s() - started_s
            await asyncio.sleep(max(LOOK_EVERY_S, REST_FACTOR * took_s) if is_whole else RETRY_S)

    async def erase(self) -> bool:
        """Erase who was forgotten since; False when rows of theirs are still to become parts."""
        owned = dict(self._partitions.owned)
        of_partition = {number: partition.engine.state.forgotten.with_history() for number, partition in owned.items()}
        up_to_ms = {user_id: at_ms for found in of_partition.values() for user_id, at_ms in found.items()}
        if not up_to_ms:
            return True
        # A flush that began before a user was forgotten may still write the user's row.
        await asyncio.shield(asyncio.ensure_future(self._partitions.flush()))
        if not await asyncio.to_thread(self._rows.erase_history, USER_COUNTERS, up_to_ms):
            return False
        for number, partition in owned.items():
            if of_partition[number] and self._partitions.owned.get(number) is partition:
                partition.engine.state.forgotten.history_erased(of_partition[number])
                partition.add([], [])
        log.info("history_erased", users=len(up_to_ms))
        return True
