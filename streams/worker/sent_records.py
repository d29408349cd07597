"""Outputs of a chunk as records on their topics."""

from collections.abc import Sequence

import orjson
from aiokafka.structs import ConsumerRecord

from streams.events.dead_letter import DeadLetter
from streams.events.decode import Rejected
from streams.examples.records import Forget, encode_record
from streams.kafka.partitioner import partition_for
from streams.kafka.record_sender import OutRecord
from streams.ranking.record import MadeList, ranking_key
from streams.settings import Settings
from streams.topics import topic_specs
from streams.worker.outputs import Forgotten, Outputs, SourceRecord

__all__ = ["dead_letter", "output_records", "ranking_records", "tombstones"]


def output_records(settings: Settings, outputs: Outputs, partition: int, now_ms: int) -> list[OutRecord]:
    """Everything of a chunk that must be durable before its state.

    Examples, dead letters, records sent on, and last, on every partition of the examples, whom to forget.
    """
    topics = topic_specs(settings)
    examples, events = topics["training-examples"].name, topics["events"].name
    return [
        *(OutRecord(examples, key, value) for key, value in outputs.examples),
        *(
            dead_letter(settings, record, refusal, topic="events", partition=partition, now_ms=now_ms)
            for record, refusal in outputs.rejected
        ),
        *(_sent_on(settings, events, user_id, record) for user_id, record in outputs.misplaced),
        *(
            OutRecord(examples, None, encode_record(Forget(user_id=gone.user_id, at_ms=gone.at_ms)), number)
            for gone in outputs.forgotten
            if gone.at_ms is not None
            for number in range(topics["training-examples"].num_partitions)
        ),
    ]


def _sent_on(settings: Settings, topic: str, user_id: str, record: SourceRecord) -> OutRecord:
    """The record where it belongs. It cannot come back: there its partition and its user agree."""
    return OutRecord(topic, user_id.encode(), record.value, partition_for(user_id, settings.num_partitions))


def dead_letter(
    settings: Settings,
    record: SourceRecord | ConsumerRecord[bytes, bytes],
    refusal: Rejected,
    *,
    topic: str,
    partition: int,
    now_ms: int,
) -> OutRecord:
    """A refused record of the topic with this short name, keyed as it was."""
    topics = topic_specs(settings)
    letter = DeadLetter.of(
        refusal,
        topic=topics[topic].name,
        partition=partition,
        offset=record.offset,
        key=record.key,
        value=record.value,
        rejected_at_ms=now_ms,
    )
    return OutRecord(topics["dead-letters"].name, (record.key or b"")[:1024] or None, letter.encode())


def watermark(settings: Settings, partition: int, at_ms: int) -> OutRecord:
    """Closes the label windows that end before `at_ms`, when nobody else's events do."""
    event = {"type": "watermark", "event_id": f"idle:{at_ms}", "user_id": "", "occurred_at_ms": at_ms}
    return OutRecord(topic_specs(settings)["events"].name, None, orjson.dumps(event), partition)


def ranking_records(settings: Settings, made: Sequence[MadeList]) -> list[OutRecord]:
    """Lists on `rankings`."""
    topic = topic_specs(settings)["rankings"].name
    return [OutRecord(topic, ranking_key(one.record["user_id"], one.record["surface"]), one.encode()) for one in made]


def tombstones(settings: Settings, forgotten: Forgotten) -> list[OutRecord]:
    """Take the lists of a forgotten user off `rankings`."""
    topic = topic_specs(settings)["rankings"].name
    return [OutRecord(topic, ranking_key(forgotten.user_id, surface), None) for surface in forgotten.surfaces]
