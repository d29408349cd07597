"""Sending records from the worker and the trainer: at least once, in order per partition, awaited in bulk.

`RecordSender` is an idempotent producer for outputs. `ChangelogWriter` writes one partition's state changes, each flush
as one Kafka transaction: all of it becomes visible or nothing, and a writer started later fences this one, so a worker
that was paused and lost its partition cannot overwrite newer state.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import RecordMetadata

from streams.errors import StateError
from streams.kafka.security import aiokafka_kwargs, unreachable
from streams.settings import Settings

__all__ = ["ChangelogWriter", "OutRecord", "RecordSender"]

MAX_BATCH_BYTES = 256 << 10
MAX_REQUEST_BYTES = 4 << 20
# A transaction cut short by kill -9 blocks readers of its partition no longer than this.
TRANSACTION_TIMEOUT_MS = 15_000


@dataclass(frozen=True, slots=True)
class OutRecord:
    """A record to send; `partition` None lets the key decide (murmur2)."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None = None
    headers: Sequence[tuple[str, bytes]] = field(default=())


class RecordSender:
    """An idempotent producer. Use as `async with`, or `start` and `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

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
        await _acknowledged(await _send_all(self._require(), records))

    def _require(self) -> AIOKafkaProducer:
        if self._producer is None:
            raise RuntimeError("RecordSender.send was called before start; start it first")
        return self._producer


class ChangelogWriter:
    """The only writer of one partition of the changelog, from `start` until a later one starts elsewhere."""

    def __init__(self, settings: Settings, topic: str, partition: int) -> None:
        self._settings, self._topic, self._partition = settings, topic, partition
        self._producer: AIOKafkaProducer | None = None

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
        try:
            async with producer.transaction():
                outs = (OutRecord(self._topic, key, value, self._partition) for key, value in records)
                sent = await _acknowledged(await _send_all(producer, outs))
        except ProducerFenced as error:
            raise StateError(
                f"partition {self._partition} of {self._topic} was taken over by another worker while this one was "
                "away; nothing was overwritten: restart this worker, it will get its partitions anew"
            ) from error
        return max(int(metadata.offset) for metadata in sent) + 1

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


async def _send_all(producer: AIOKafkaProducer, records: Iterable[OutRecord]) -> list["asyncio.Future[RecordMetadata]"]:
    return [
        await producer.send(r.topic, r.value, key=r.key, partition=r.partition, headers=list(r.headers))
        for r in records
    ]


async def _acknowledged(sending: list["asyncio.Future[RecordMetadata]"]) -> list[RecordMetadata]:
    """Wait for all, also when one fails: a failed future that nobody asks complains when it is collected."""
    results = await asyncio.gather(*sending, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        raise failures[0]
    return [result for result in results if not isinstance(result, BaseException)]
