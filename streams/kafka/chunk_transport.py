"""A Faust transport that delivers one stream event per fetched chunk of one partition (`kafkachunk://…`).

Stock Faust spends about 100 us of CPU per record in its drain loop; per chunk that cost disappears (ARCHITECTURE.md).
`event.value` is a list of aiokafka ConsumerRecords of one partition in offset order. Agents iterate
`stream.noack().events()` and call `event.ack()` once the chunk is durable; the committed offset is the end of the
longest acked prefix of delivered chunks. Uses private API of Faust: tests/kafka/test_chunk_transport_contract.py fails
when an upgrade changes it.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterable
from typing import Any

import aiokafka
import faust
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage
from faust.types.tuples import ack_lock

from streams.kafka.partition_lag import PartitionLag

__all__ = ["ChunkConsumer", "RawSchema", "Transport"]

# Records per event, unless the app says: bounds what is redelivered, and how long a rebalance waits.
CHUNK_RECORDS = 1000
# While chunks wait in the agents' queues, an idle partition must not hold up the fetch for longer than this.
BUSY_FETCH_S = 0.05


class _NoReadOffset(dict[TP, int | None]):
    """The stock drain loop drops offsets below `_read_offset` and counts jumps as acked; for chunks both lose data."""

    def __getitem__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        pass


class ChunkThread(driver.AIOKafkaConsumerThread):
    """The consumer's thread, reading committed records only."""

    def _create_worker_consumer(self, transport: "Transport") -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Set before start(): the fetcher is made from it there.
        consumer._isolation_level = "read_committed"
        return consumer


class ChunkConsumer(driver.Consumer):
    """Faust's consumer with chunks as messages, and a commit that never passes an unprocessed chunk."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._read_offset = _NoReadOffset()
        # Last offset and first append time of each delivered chunk that is not committed, in order.
        self._pending: dict[TP, deque[tuple[int, int]]] = defaultdict(deque)
        self._want: dict[TP, int] = {}  # next offset that must be delivered
        self._discarded: set[TP] = set()  # records were fetched and thrown away: the fetch position is beyond _want
        self._room = asyncio.Event()
        self.num_refetches = 0

    def _new_consumer_thread(self) -> ChunkThread:
        return ChunkThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Yield fetched records as one message per (partition, up to `chunk_records` of the app)."""
        size = getattr(self.app, "chunk_records", CHUNK_RECORDS)
        generation = self.app.consumer_generation_id  # before the wait: a whole rebalance can pass while waiting
        if self._discarded and self.flow_active:
            await self._seek_back()
        try:
            records, _ = await self._wait_next_records(timeout)
        except asyncio.CancelledError:
            self._discarded.update(self.assignment())
            raise
        if not records or self.should_stop or not self.flow_active:
            self._discarded.update(records or ())
            return
        if generation != self.app.consumer_generation_id:
            self._discarded.update(records)
            if self.assignment():
                await self.perform_seek()
            return
        for tp, fetched in records.items():
            wanted = await self._from_wanted(tp, fetched)
            for i in range(0, len(wanted), size):
                if not self.flow_active or self.app.consumer_generation_id != generation:
                    self._discarded.update(records)
                    return
                yield tp, self._message(tp, wanted[i : i + size], generation)

    async def _seek_back(self) -> None:
        """To what was thrown away: the next record, which would show the gap, may never come."""
        wanted = {tp: self._want[tp] for tp in self._discarded & self.assignment() if tp in self._want}
        self._discarded.clear()
        if wanted:
            self.num_refetches += 1
            await self.seek_wait(wanted)  # not seek(): that touches the fetcher from the wrong thread

    async def _from_wanted(self, tp: TP, fetched: list[Any]) -> list[Any]:
        """Records from the next wanted offset on; none, after a seek back, when some before were thrown away.

        Offsets also jump where compaction or transactions left gaps; only a jump after a discard is fetched again.
        """
        want = self._want.get(tp)
        if want is None or fetched[0].offset == want:
            return fetched
        if fetched[0].offset < want:  # overlap after a double seek
            return [record for record in fetched if record.offset >= want]
        if tp in self._discarded:
            self._discarded.discard(tp)
            self.num_refetches += 1
            await self.seek_wait({tp: want})
            return []
        return fetched

    def _message(self, tp: TP, chunk: list[Any], generation: int) -> ConsumerMessage:
        last = chunk[-1]
        self._want[tp] = last.offset + 1
        self._pending[tp].append((last.offset, chunk[0].timestamp))
        self.app.monitor.track_tp_end_offset(tp, self.highwater(tp))
        return ConsumerMessage(
            tp.topic, tp.partition, last.offset, last.timestamp / 1000.0, last.timestamp_type, (), None, chunk, None,
            0, 0, tp, generation_id=generation,
        )  # fmt: skip

    def _new_offset(self, tp: TP) -> int | None:
        """End of the longest acked prefix of the delivered chunks.

        Stock wants every single offset acked (commits would stall); the largest acked offset would pass chunks that are
        still being processed (measured loss with a kill).
        """
        pending, acked, new = self._pending[tp], self._acked_index[tp], None
        with ack_lock:
            while pending and pending[0][0] in acked:
                new, _ = pending.popleft()
                acked.discard(new)
            self._acked[tp].clear()
        return None if new is None else new + 1

    def lags(self) -> list[PartitionLag]:
        """Lag of every assigned partition whose end is known."""
        found = []
        for tp in self.assignment():
            end, pending = self.highwater(tp), self._pending.get(tp)
            if end is not None:
                committed = self._committed_offset.get(tp) or 0
                found.append(PartitionLag(tp.topic, tp.partition, committed, end, pending[0][1] if pending else None))
        return found

    async def perform_seek(self) -> None:
        """Runs before every resume: forget the previous assignment, restart each partition at its committed offset.

        What is thrown away from here on counts: a fetch that waited all along may take records just after the seek.
        """
        self._discarded.clear()
        committed = {TP(*tp): offset or None for tp, offset in (await self.seek_to_committed()).items()}
        start: dict[TP, int | None] = dict(committed)
        fresh = [tp for tp, offset in committed.items() if not offset]
        if fresh:
            first = await self.earliest_offsets(*fresh)  # aiokafka does not seek partitions without a commit
            await self.seek_wait(first)
            start.update((TP(*tp), offset) for tp, offset in first.items())
        for tp, offset in committed.items():
            for book in (self._pending[tp], self._acked[tp], self._acked_index[tp]):
                book.clear()
            self._committed_offset[tp] = offset
            self._want[tp] = start[tp] or 0

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Stop the flow, drop queued chunks, wait for those inside agents, commit, then forget.

        Stock forgets acked offsets before they are committed: everything since the last commit would come again.
        """
        if not self.app.should_stop:
            self.stop_flow()
            self.app.flow_control.suspend()
            self.app.flow_control.clear()
            await self.wait_empty()
        await super().on_partitions_revoked(revoked)
        self._pending.clear()
        self._want.clear()

    def on_buffer_drop(self, tp: TP) -> None:
        """A queue has room again: wake the fetch at once (stock sleeps a second when all queues are full)."""
        super().on_buffer_drop(tp)
        self._room.set()

    async def _wait_next_records(self, timeout: float) -> tuple[dict[TP, list[Any]], Iterable[TP]]:
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        active = frozenset(self._get_active_partitions())  # snapshot: the stock set is read from another thread
        if not active:  # nothing assigned, or all queues full
            self._room.clear()
            await self.wait_first(self._room.wait(), timeout=timeout)
            return {}, active
        wait_s = BUSY_FETCH_S if self._buffered_partitions else timeout
        return await self._getmany(active, wait_s), active


class Transport(driver.Transport):
    """Faust's aiokafka transport with the chunk consumer."""

    Consumer = ChunkConsumer


class RawSchema(faust.Schema):
    """No codec between fetcher and agent: a decode error can never be thrown into the agent."""

    def loads_key(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        """The key as it is."""
        return message.key

    def loads_value(self, app: Any, message: Any, *, loads: Any = None, serializer: Any = None) -> Any:
        """The list of records as it is."""
        return message.value


TRANSPORTS.aliases["kafkachunk"] = f"{__name__}:Transport"
