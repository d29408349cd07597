"""Chunks of `training-examples` into the replay buffer; what is no example goes to `dead-letters` first.

Order: dead letters acknowledged by Kafka, then the buffer with the chunk's offset; the caller acknowledges after that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import structlog
from aiokafka.structs import ConsumerRecord

from streams.clock import Clock
from streams.errors import StateError
from streams.events.dead_letter import DeadLetter
from streams.events.rejection import Rejected
from streams.examples.records import Example, Labels, Shown
from streams.kafka.record_sender import OutRecord
from streams.observability.metrics import TrainerMetrics
from streams.settings import Settings
from streams.topics import topic_specs
from streams.training.example_check import check_example
from streams.training.replay_buffer import ReplayBuffer

__all__ = ["ExampleIntake"]

log = structlog.get_logger(__name__)
Send = Callable[[Sequence[OutRecord]], Awaitable[None]]
Record: TypeAlias = ConsumerRecord[bytes, bytes]


class ExampleIntake:
    """Takes chunks in. `send` returns when Kafka has the records."""

    def __init__(
        self, settings: Settings, clock: Clock, buffer: ReplayBuffer, send: Send, metrics: TrainerMetrics
    ) -> None:
        topics = topic_specs(settings)
        self._topic, self._dead_letters = topics["training-examples"].name, topics["dead-letters"].name
        self._schema, self._clock, self._buffer = settings.catalogue.schema_, clock, buffer
        self._send, self._metrics = send, metrics

    async def take(self, partition: int, records: Sequence[Record], end_offset: int | None) -> None:
        """Take in records of one partition, in offset order. `end_offset`: of the partition, when it is known.

        Raises StateError when the buffer is ahead of the partition: the topic is another one of the same name.
        """
        held = self._buffer.next_offset(partition)
        if end_offset and held is not None and held > end_offset:
            raise StateError(
                f"partition {partition} of {self._topic} ends at {end_offset}, the replay buffer has taken it up to "
                f"{held}: the topic was deleted and made again; move the folders `buffer` and `trainer` of the data "
                "folder away, or use another one"
            )
        checked = await asyncio.to_thread(lambda: [check_example(r.value, self._schema) for r in records])
        pairs = list(zip(records, checked, strict=True))
        refused = [(record, found) for record, found in pairs if isinstance(found, Rejected)]
        if refused:
            await self._send([self._dead_letter(record, found) for record, found in refused])
        examples = [(record.offset, found) for record, found in pairs if not isinstance(found, Rejected)]
        await asyncio.to_thread(self._buffer.append, partition, examples, records[-1].offset + 1)
        self._count(refused, [example for offset, example in examples if held is None or offset >= held])

    def _dead_letter(self, record: Record, refusal: Rejected) -> OutRecord:
        letter = DeadLetter.of(
            refusal,
            topic=self._topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
            value=record.value,
            rejected_at_ms=self._clock.now_ms(),
        )
        return OutRecord(self._dead_letters, (record.key or b"")[:1024] or None, letter.encode())

    def _count(self, refused: Sequence[tuple[Record, Rejected]], taken: Sequence[Example]) -> None:
        for record, refusal in refused:
            self._metrics.rejects.labels(refusal.reason).inc()
            log.warning("example_refused", partition=record.partition, offset=record.offset, reason=refusal.detail)
        for example in taken:
            if isinstance(example, Labels):
                self._metrics.labels.labels(example.task).inc()
            elif isinstance(example, Shown):
                self._metrics.slates.inc()
