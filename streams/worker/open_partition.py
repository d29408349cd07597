"""A partition this worker owns: its state, what waits to be made durable, and the flush that does it.

A flush, in this order:
1. outputs (training examples, dead letters, forwarded records, rankings under way) are acknowledged by Kafka;
2. changed state is on the changelog, in one transaction that fails if another worker has taken the partition over;
3. the same records are on the local disk, with the offset they include and how far the changelog is known;
4. item counts are on `item-counts`: absolute values, so a repetition changes nothing;
5. users' rows are in Feast, in one call with those of the partitions flushed together with this one;
6. the chunks are acknowledged, and Faust commits their offsets.
A crash between any two steps repeats the chunk: 2 and 3 make it skip what the state includes, and what it touches is
published again (4, 5).
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from streams.clock import Clock
from streams.errors import StateError
from streams.features.feast_writer import FeatureRowWriter
from streams.features.rows import RowBatch
from streams.features.state_store import META_KEY, StateStore
from streams.kafka.partitioner import partition_for
from streams.kafka.record_sender import ChangelogWriter, OutRecord, RecordSender
from streams.settings import Settings
from streams.topics import topic_specs
from streams.worker.feature_rows import user_rows
from streams.worker.flush_round import FlushRound
from streams.worker.partition import Partition

__all__ = ["OpenPartition"]


class OpenPartition:
    """Owned from `start` to `close`. `engine` is used by one task; `flush` may run beside it between its chunks."""

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        *,
        engine: Partition,
        store: StateStore,
        changelog: ChangelogWriter,
        sender: RecordSender,
        rows: FeatureRowWriter,
    ) -> None:
        self.engine = engine
        self._clock = clock
        self._store, self._changelog, self._sender, self._rows = store, changelog, sender, rows
        self._topics = topic_specs(settings)
        self._outputs: list[OutRecord] = []
        self._sending: list[asyncio.Task[None]] = []
        self._unacked: list[Callable[[], Any]] = []
        self._forgotten: list[str] = []
        self._has_changes = self._is_broken = False
        self.num_unflushed = 0
        self._flushing = asyncio.Lock()

    @property
    def num_bytes(self) -> int:
        """Size of the partition's state on disk."""
        return self._store.num_bytes

    def add(
        self,
        outputs: list[OutRecord],
        forgotten: list[str],
        ack: Callable[[], Any] | None = None,
        num_records: int = 0,
    ) -> None:
        """A chunk of so many records was processed: make this durable with the next flush, then call `ack`."""
        self._outputs += outputs
        self._forgotten += forgotten
        self._has_changes = True
        self.num_unflushed += num_records
        if ack is not None:
            self._unacked.append(ack)

    @property
    def under_way(self) -> list[asyncio.Task[None]]:
        """Rankings being sent that no flush has waited for."""
        return list(self._sending)

    def wait_for(self, sending: asyncio.Task[None]) -> None:
        """A ranking is being sent: the next flush waits for it."""
        self._sending.append(sending)
        self._has_changes = True

    async def flush(self, cached_users: int, together: FlushRound | None = None) -> None:
        """Make everything processed so far durable; see the module for the order. Keeps `cached_users` in memory.

        `together`: the round that this partition is flushed in; alone when there is none.

        Raises StateError after a flush that failed: its changes are taken from memory and on no disk, so going on would
        write an offset that includes them. The partition must be opened anew.
        """
        number = self.engine.state.number
        together = together or FlushRound(self._rows, [number])
        try:
            async with self._flushing:
                await self._flush_changes(cached_users, together)
        finally:
            together.leave(number)

    async def _flush_changes(self, cached_users: int, together: FlushRound) -> None:
        if self._is_broken:
            raise StateError(
                f"partition {self.engine.state.number}: an earlier flush failed, and its changes are not on disk; "
                "nothing more is written: restart the worker, the events since come again"
            )
        if not self._has_changes:
            return
        self._is_broken = True
        await self._flush(cached_users, together)
        self._is_broken = False

    async def _flush(self, cached_users: int, together: FlushRound) -> None:
        async with together.turn:
            self._has_changes, self.num_unflushed = False, 0
            unacked, self._unacked = self._unacked, []
            forgotten, self._forgotten = self._forgotten, []
            users = await self._flush_own(cached_users)
        # 5. users' rows
        await together.write(self.engine.state.number, users, forgotten)
        # 6. acks
        for ack in unacked:
            ack()

    async def _flush_own(self, cached_users: int) -> RowBatch:
        """What does not wait for other partitions; returns the rows of changed users."""
        outputs, self._outputs = self._outputs, []
        sending, self._sending = self._sending, []
        drained = self.engine.state.drain()
        users = user_rows(drained.users, self.engine.state.items)
        # 1. outputs
        await asyncio.gather(self._sender.send(outputs), *sending)
        # 2. changelog
        meta = {**drained.meta, "written_at_ms": self._clock.now_ms()}
        changes = [*drained.records, (META_KEY, msgspec.json.encode(meta))]
        meta["changelog_next"] = await self._changelog.write(changes)
        # 3. local state
        self._store.write([*drained.records, (META_KEY, msgspec.json.encode(meta))])
        self.engine.state.written(cached_users)
        # 4. item counts
        await self._sender.send(self._item_counts(drained.items))
        return users

    def _item_counts(self, items: list[tuple[str, bytes]]) -> list[OutRecord]:
        number, topic = self.engine.state.number, self._topics["item-counts"]
        return [
            OutRecord(
                topic.name,
                f"{item_id}|{number}".encode(),
                raw,
                partition_for(item_id, topic.num_partitions),
            )
            for item_id, raw in items
        ]

    async def is_ours(self) -> bool:
        """Whether no other worker took the partition over since it was opened; a write of what is known tells."""
        async with self._flushing:
            meta = self._store.get(META_KEY)
            try:
                await self._changelog.write([(META_KEY, meta)])
            except StateError:
                return False
            return True

    async def close(self) -> None:
        """Give the partition back; what was not flushed is processed again by the next owner."""
        async with self._flushing:
            await self._changelog.stop()
            self._store.close()
