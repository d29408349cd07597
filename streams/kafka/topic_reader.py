"""Reads what a topic holds now, whole or only the newest records of each partition, outside any group."""

from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from streams.errors import TopicError
from streams.kafka.security import kafka_python_kwargs, unreachable
from streams.settings import Settings

__all__ = ["ReadRecord", "read_topic"]

POLL_MS = 500


class ReadRecord(NamedTuple):
    """A record as it stands. `value` None is a tombstone."""

    partition: int
    offset: int
    appended_at_ms: int
    key: bytes | None
    value: bytes | None


def read_topic(settings: Settings, topic: str, newest: int | None = None) -> Iterator[ReadRecord]:
    """Records from the beginning, or the newest so many of each partition, up to the present end.

    In order within a partition. Raises BrokerUnreachableError or TopicError.
    """
    try:
        with closing(
            KafkaConsumer(**kafka_python_kwargs(settings), group_id=None, enable_auto_commit=False)
        ) as consumer:
            numbers = consumer.partitions_for_topic(topic)
            if not numbers:
                raise TopicError(f"topic {topic} was not found; make it with `freshrank topics`")
            partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
            consumer.assign(partitions)
            ends, firsts = consumer.end_offsets(partitions), consumer.beginning_offsets(partitions)
            for tp in partitions:
                consumer.seek(tp, firsts[tp] if newest is None else max(firsts[tp], ends[tp] - newest))
            while any(consumer.position(tp) < end for tp, end in ends.items()):
                for tp, records in consumer.poll(timeout_ms=POLL_MS).items():
                    for r in records:
                        if r.offset < ends[tp]:
                            yield ReadRecord(r.partition, r.offset, r.timestamp, r.key, r.value)
    except KafkaError as error:
        raise unreachable(settings, error) from error
