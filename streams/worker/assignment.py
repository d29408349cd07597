"""What the group assigned to this worker: opened while chunks wait, given back when it has moved on."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from streams.errors import StateError
from streams.observability.metrics import WorkerMetrics
from streams.worker.partition_set import PartitionSet
from streams.worker.row_partitions import RowPartitions

__all__ = ["Assignment"]

log = structlog.get_logger(__name__)
Guarded = Callable[[Callable[[], Awaitable[None]]], Awaitable[None]]


class Assignment:
    """Partitions of `events` and `item-counts`. `guarded` runs what it is given, and ends the worker if that fails."""

    def __init__(self, partitions: PartitionSet, rows: RowPartitions, metrics: WorkerMetrics, guarded: Guarded) -> None:
        self._partitions, self._rows, self._metrics, self._guarded = partitions, rows, metrics, guarded
        self._is_open = asyncio.Event()
        self._opening: asyncio.Future[None] | None = None

    @property
    def is_open(self) -> bool:
        """Whether all that was assigned last is open."""
        return self._is_open.is_set()

    async def opened(self) -> None:
        """Wait until it is: Faust lets the flow go on before it says which partitions were assigned."""
        await self._is_open.wait()

    def begin(self, events: set[int], item_counts: set[int]) -> None:
        """Open exactly these partitions.

        Not awaited: the group hears nothing from a member before it has taken its assignment, and gives the partitions
        of one that restores them longer than its session to others.
        """
        self._is_open.clear()
        self._opening = asyncio.ensure_future(self._guarded(lambda: self._open(events, item_counts)))

    async def pause(self) -> None:
        """Partitions are about to move: wait for the next assignment, once all are open that were assigned."""
        await self.settled()
        self._is_open.clear()

    async def settled(self) -> None:
        """Wait until nothing is being opened. What is half open cannot be given back."""
        if self._opening is not None:
            await self._opening

    async def _open(self, events: set[int], item_counts: set[int]) -> None:
        held = dict(self._partitions.owned)
        # Side by side: rows wait for the disk, states for Kafka.
        acquiring = asyncio.ensure_future(self._rows.acquire(events, item_counts))
        try:
            await self._partitions.assign(events)
        finally:
            lacking = await acquiring
        taken = [n for n, before in held.items() if n in events and self._partitions.owned[n] is not before]
        if taken:
            # Faust does not always resume a consumer that was away so long: a new process does.
            raise StateError(f"partitions {taken} were taken over while this worker was away; it starts anew")
        await self._rows.fill(lacking, self._partitions)
        self._metrics.rebalances.inc()
        self._metrics.partitions.set(len(events))
        self._is_open.set()
        log.info("partitions_assigned", events=sorted(events), item_counts=sorted(item_counts))
