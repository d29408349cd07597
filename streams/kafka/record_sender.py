"""Sending records from the worker and the trainer: at least once, in order per partition, awaited in bulk.

`RecordSender` is an idempotent producer for outputs. `ChangelogWriter` writes one partition's state changes, each flush
as one Kafka transaction: all of it becomes visible or nothing, and a writer started later fences this one, so a worker
that was paused and lost its partition cannot overwrite newer state.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced

from streams.errors import StateError
from streams.kafka.partitioner import partition_for
from streams.kafka.record_batches import Keyed, Turns, filled_batches, send_batches
from streams.kafka.security import aiokafka_kwargs, unreachable
from streams.settings import Settings

__all__ = ["ChangelogWriter", "OutRecord", "RecordSender"]

MAX_BATCH_BYTES = 256 << 10
MAX_REQUEST_BYTES = 4 << 20
# A worker that gets no processor for so long in the middle of a flush must start anew. Nobody waits for it meanwhile:
# whoever takes the partition over ends the transaction of the writer before.
TRANSACTION_TIMEOUT_MS = 120_000


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to send; `partition` None lets the key decide (murmur2), and without a key it is the first."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None


class RecordSender:
    """An idempotent producer, from `start` to `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._turns = Turns()

    async def start(self) -> None:
        """Connect. Raises BrokerUnreachableError."""
        self._producer = await _started(self._settings)

    async def stop(self) -> None:
        """Send what is buffered, then disconnect."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None

    async def send(self, records: Iterable[OutRecord]) -> None:
        """Send all records and wait until every one is acknowledged. Raises KafkaError when one cannot be."""
        producer, held = self._require(), list(records)
        num_of = {topic: len(await producer.partitions_for(topic)) for topic in {record.topic for record in held}}
        batches = filled_batches(producer, (_keyed(one, num_of[one.topic]) for one in held))
        await send_batches(producer, batches, self._turns)

    def _require(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("RecordSender.send was called before start; start it first")
        return self._producer


class ChangelogWriter:
    """The only writer of one partition of the changelog, from `start` until a later one starts elsewhere."""

    def __init__(self, settings: Settings, topic: str, partition: int) -> None:
        self._settings, self._topic, self._partition = settings, topic, partition
        self._producer: AIOKafkaProducer | None = None
        self._turns = Turns()

    async def start(self) -> None:
        """Take over: abort and fence whoever wrote before."""
        self._producer = await _started(
            self._settings,
            transactional_id=f"{self._topic}-{self._partition}",
            transaction_timeout_ms=TRANSACTION_TIMEOUT_MS,
        )

    async def write(self, records: Iterable[tuple[bytes, bytes | None]]) -> int:
        """Write all records in one transaction; returns the offset to read on from.

        Raises StateError when another worker has taken the partition over.
        """
        producer = self._producer
        if producer is None:
            raise RuntimeError("ChangelogWriter.write was called before start; start it first")
        place = self._topic, self._partition
        # Filled before the transaction begins, so that it is open as short as can be.
        batches = filled_batches(producer, ((place, key, value) for key, value in records))
        try:
            async with producer.transaction():
                ends = await send_batches(producer, batches, self._turns)
        except ProducerFenced as error:
            raise StateError(
                f"partition {self._partition} of {self._topic} was taken over by another worker while this one was "
                f"away, or a flush took more than {TRANSACTION_TIMEOUT_MS // 1000} s; nothing was overwritten: restart "
                "this worker, it will get its partitions anew"
            ) from error
        return ends[place]

    async def abort_open(self) -> None:
        """End what an earlier transaction left open, as if it had never been written."""
        producer = self._producer
        if producer is None:
            raise RuntimeError("ChangelogWriter.abort_open was called before start; start it first")
        await producer.begin_transaction()
        try:
            # Only partitions written to are marked.
            await send_batches(
                producer, filled_batches(producer, [((self._topic, self._partition), b"", b"")]), self._turns
            )
        finally:
            await producer.abort_transaction()

    async def stop(self) -> None:
        """Disconnect."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None


async def _started(settings: Settings, **kwargs: Any) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(
        **aiokafka_kwargs(settings),
        enable_idempotence=True,
        max_batch_size=MAX_BATCH_BYTES,
        max_request_size=MAX_REQUEST_BYTES,
        **kwargs,
    )
    try:
        await producer.start()
    except KafkaError as error:
        await producer.stop()
        raise unreachable(settings, error) from error
    return producer


def _keyed(record: OutRecord, num_partitions: int) -> Keyed:
    partition = record.partition
    if partition is None:
        partition = 0 if record.key is None else partition_for(record.key, num_partitions)
    return (record.topic, partition), record.key, record.value
