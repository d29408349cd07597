"""Sends many records fast and in order: whole batches per partition, several rounds on their way at once.

For replays. A round ends every few thousand records, so partitions stay close to each other in the log.
"""

import asyncio
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.partitioner import partition_for
from streams.kafka.record_batches import Keyed, filled_batches
from streams.kafka.security import aiokafka_kwargs, unreachable
from streams.settings import Settings

__all__ = ["BulkRecord", "BulkSender"]

BATCH_BYTES = 256 << 10
MAX_REQUEST_BYTES = 4 << 20
ROUNDS_ON_THEIR_WAY = 4
# A broker that is away for less than this only delays a replay.
REQUEST_TIMEOUT_MS = 120_000


class BulkRecord(NamedTuple):
    """A record to send. Without a partition the key decides; without either it goes to partition 0."""

    topic: str
    key: str | None
    value: bytes | None
    partition: int | None = None


class BulkSender:
    """An idempotent producer of whole rounds. Use as `async with`; raises BrokerUnreachableError.

    `offsets`: (topic, partition) -> offset after the newest record known to be in the log.
    """

    def __init__(self, settings: Settings, *, batch_bytes: int = BATCH_BYTES) -> None:
        self._settings = settings
        self._producer = AIOKafkaProducer(
            **aiokafka_kwargs(settings),
            enable_idempotence=True,
            max_batch_size=batch_bytes,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
        )
        self._rounds: deque[list[asyncio.Task[None]]] = deque()
        self.offsets: dict[tuple[str, int], int] = {}

    async def __aenter__(self) -> Self:
        try:
            await self._producer.start()
        except KafkaError as error:
            await self._producer.stop()
            raise unreachable(self._settings, error) from error
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._producer.stop()

    async def send(self, records: Iterable[BulkRecord]) -> None:
        """Send one round; returns when it is on its way and no more than a few rounds before it are."""
        batches = filled_batches(self._producer, map(self._keyed, records))
        self._rounds.append([await self._launched(*place, batch) for place, batch in batches])
        while len(self._rounds) > ROUNDS_ON_THEIR_WAY:
            await self._landed(self._rounds.popleft())

    async def flush(self) -> None:
        """Wait until everything sent is in the log."""
        while self._rounds:
            await self._landed(self._rounds.popleft())

    def _keyed(self, record: BulkRecord) -> Keyed:
        key = None if record.key is None else record.key.encode()
        return (record.topic, self._partition(record)), key, record.value

    def _partition(self, record: BulkRecord) -> int:
        if record.partition is not None:
            return record.partition
        return 0 if record.key is None else partition_for(record.key, self._settings.num_partitions)

    async def _launched(self, topic: str, partition: int, batch: Any) -> asyncio.Task[None]:
        count = batch.record_count()
        try:
            future = await self._producer.send_batch(batch, topic, partition=partition)
        except KafkaError as error:
            raise unreachable(self._settings, error) from error
        return asyncio.ensure_future(self._note(future, topic, partition, count))

    async def _note(self, future: asyncio.Future[Any], topic: str, partition: int, count: int) -> None:
        metadata = await future
        self.offsets[topic, partition] = metadata.offset + count

    async def _landed(self, tasks: list[asyncio.Task[None]]) -> None:
        try:
            await asyncio.gather(*tasks)
        except KafkaError as error:
            raise unreachable(self._settings, error) from error
