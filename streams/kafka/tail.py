"""Reading whole topics outside any group: from the start to the end, then on as records come.

Used for what every process must know: the catalogue, item counts, model announcements; and, once, for a partition of
the changelog. Only committed records are seen, unless said otherwise.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import ConsumerRecord

from streams.errors import StateError
from streams.kafka.security import aiokafka_kwargs
from streams.settings import Settings

__all__ = ["OnRecords", "TopicTail", "partition_ends", "read_partition"]

log = structlog.get_logger(__name__)
OnRecords = Callable[[int, Sequence[ConsumerRecord[bytes, bytes]]], object]
POLL_MS = 500
MAX_POLL_RECORDS = 5_000
# A fresh connection asks once or twice before it knows any topic.
SAY_AFTER = 10


class TopicTail:
    """Follows all partitions of one topic. `positions`: partition -> next offset, after `on_records` has seen it."""

    def __init__(self, settings: Settings, topic: str, on_records: OnRecords) -> None:
        self._settings, self._topic, self._on_records = settings, topic, on_records
        self._consumer: AIOKafkaConsumer | None = None
        self._task: asyncio.Task[None] | None = None
        self.positions: dict[int, int] = {}
        self._polled = asyncio.Event()

    async def start(self) -> None:
        """Read up to the present end of the topic, then go on in the background."""
        consumer = self._consumer = _consumer(self._settings)
        await consumer.start()
        partitions = await _partitions(consumer, self._topic)
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        self.positions = {tp.partition: offset for tp, offset in (await consumer.beginning_offsets(partitions)).items()}
        await consumer.seek_to_beginning(*partitions)
        while any(self.positions[tp.partition] < end for tp, end in ends.items()):
            await self._poll(consumer)
        self._task = asyncio.create_task(self._follow(consumer))

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        while True:
            await self._poll(consumer)

    async def _poll(self, consumer: AIOKafkaConsumer) -> None:
        batches = await consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_POLL_RECORDS)
        for tp, records in batches.items():
            self._on_records(tp.partition, records)
        for tp in consumer.assignment():
            # The position is beyond markers of transactions and gaps of compaction, which are no records.
            self.positions[tp.partition] = await consumer.position(tp)
        self._polled.set()
        self._polled.clear()

    async def polled(self) -> None:
        """Wait until the next poll has been handed on."""
        await self._polled.wait()

    def failed(self) -> BaseException | None:
        """What ended the background task, if anything did."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return self._task.exception()

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._consumer is not None:
            await self._consumer.stop()


async def read_partition(
    settings: Settings,
    topic: str,
    partition: int,
    from_offset: int,
    on_records: OnRecords,
    *,
    max_records: int | None = None,
    is_committed: bool = True,
) -> int:
    """Read one partition from an offset (or what is left of it) to its end; returns the next offset.

    With `is_committed` the end is where a transaction is open; otherwise its records, and those it aborts, come too.
    With `max_records` about so many at most, and the end may not be reached. Raises StateError when the partition ends
    before the offset.
    """
    consumer = _consumer(settings, "read_committed" if is_committed else "read_uncommitted")
    await consumer.start()
    try:
        tp = TopicPartition(topic, partition)
        consumer.assign([tp])
        end: int = (await consumer.end_offsets([tp]))[tp]
        first: int = (await consumer.beginning_offsets([tp]))[tp]
        if from_offset > end:
            raise StateError(
                f"offset {from_offset} of {topic} partition {partition} was asked for, but it ends at {end}: the topic "
                "was made anew, or this is another cluster; use the cluster that the data folder belongs to, or start "
                "with an empty data folder"
            )
        position: int = max(from_offset, first)
        consumer.seek(tp, position)
        num_read, num_wanted = 0, max_records or MAX_POLL_RECORDS
        while position < end and (max_records is None or num_read < max_records):
            for records in (await consumer.getmany(tp, timeout_ms=POLL_MS, max_records=num_wanted)).values():
                on_records(partition, records)
                num_read += len(records)
            position = await consumer.position(tp)
        return position
    finally:
        await consumer.stop()


async def partition_ends(settings: Settings, topic: str, partitions: Iterable[int]) -> dict[int, int]:
    """The next offset of each partition, beyond whatever transactions are open."""
    consumer = _consumer(settings, "read_uncommitted")
    await consumer.start()
    try:
        wanted = [TopicPartition(topic, partition) for partition in partitions]
        consumer.assign(wanted)
        return {tp.partition: end for tp, end in (await consumer.end_offsets(wanted)).items()}
    finally:
        await consumer.stop()


def _consumer(settings: Settings, isolation_level: str = "read_committed") -> AIOKafkaConsumer:
    kwargs: dict[str, Any] = aiokafka_kwargs(settings)
    return AIOKafkaConsumer(
        **kwargs, enable_auto_commit=False, auto_offset_reset="earliest", isolation_level=isolation_level
    )


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> list[TopicPartition]:
    """All partitions; waits while the topic is not known to the broker yet, and says so."""
    num_asked = 0
    while True:
        found = consumer.partitions_for_topic(topic)
        if found:
            return [TopicPartition(topic, partition) for partition in sorted(found)]
        if num_asked == SAY_AFTER:
            log.warning("topic_missing", topic=topic, reason="waiting for it; `freshrank topics` creates all topics")
        num_asked += 1
        await consumer._client.force_metadata_update()  # noqa: SLF001 - aiokafka has no public call for it
        consumer._client.add_topic(topic)  # noqa: SLF001
        await asyncio.sleep(0.1)
