"""A flush whose transaction Kafka called done and left undecided, as brokers did that stopped in its middle."""

from typing import Any

import msgspec
import pytest
from aiokafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from streams.features.items import ItemTable
from streams.features.state_store import META_KEY
from streams.kafka.admin import admin_client, create_topics
from streams.kafka.record_sender import ChangelogWriter
from streams.kafka.tail import read_partition
from streams.settings import Settings
from streams.topics import topic_specs
from streams.worker.recovery import open_state, take_over

pytestmark = pytest.mark.integration

NOW_MS = 1_000


def let_any_write_in(settings: Settings) -> None:
    """Brokers of old took records of a transaction that its coordinator does not know; so does this one from now on."""
    with admin_client(settings) as client:
        change = {"transaction.partition.verification.enable": "false"}
        client.alter_configs([ConfigResource(ConfigResourceType.BROKER, "1", change)])


def meta(offset: int) -> tuple[bytes, bytes]:
    return META_KEY, msgspec.json.encode({"offset": offset, "max_event_ms": offset, "written_at_ms": NOW_MS})


async def leave_undecided(settings: Settings, records: list[tuple[bytes, bytes]]) -> None:
    """Write a flush, and another one that stays without a marker."""
    topic = topic_specs(settings)["state-changelog"].name
    writer = ChangelogWriter(settings, topic, 0)
    await writer.start()
    end = await writer.write([(b"u:u", b"first"), meta(1)])
    while await read_partition(settings, topic, 0, 0, lambda *_: None) <= end:
        pass  # the marker comes after the answer
    producer: Any = writer._producer
    await producer.begin_transaction()
    # As if the coordinator had been told, and had said yes.
    producer._txn_manager._txn_partitions.add(TopicPartition(topic, 0))
    for key, value in records:
        await producer.send_and_wait(topic, value, key=key, partition=0)
    producer._txn_manager._txn_partitions.clear()
    await producer.abort_transaction()
    await writer.stop()


@pytest.mark.parametrize(
    ("undecided", "offset"),
    [
        ([(b"x", b"1"), meta(7)], 7),
        ([(b"x", b"1")], 1),
    ],
    ids=["a whole flush counts", "a part of one does not"],
)
async def test_what_was_left_undecided_is_decided_by_the_next_owner(
    kafka: object, settings: Settings, undecided: list[tuple[bytes, bytes]], offset: int
) -> None:
    create_topics(settings)
    let_any_write_in(settings)
    await leave_undecided(settings, undecided)
    items = ItemTable(settings.catalogue, settings.num_partitions)

    for _ in range(2):  # once it is decided, it stays so
        taken = (await take_over(settings, [0]))[0]
        state, store, _ = await open_state(settings, 0, taken, items, NOW_MS)
        assert (state.offset, store.get(b"x")) == (offset, b"1" if offset == 7 else None)
        await taken.writer.write([meta(offset)])
        await taken.writer.stop()
        store.close()
