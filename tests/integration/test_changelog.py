"""The changelog and the tails on a real Kafka: atomic flushes, fencing of a paused writer, reading back."""

import asyncio

import pytest

from streams.app import REBALANCE_TIMEOUT_S
from streams.errors import StateError
from streams.kafka.admin import admin_client, create_topics
from streams.kafka.record_sender import ChangelogWriter, OutRecord, RecordSender
from streams.kafka.tail import TopicTail, read_partition
from streams.settings import Settings
from streams.topics import topic_specs

pytestmark = pytest.mark.integration


async def test_a_later_writer_fences_the_one_before_and_nothing_of_it_is_read(
    kafka: object, settings: Settings
) -> None:
    """A worker paused beyond its session wakes up with a flush in hand: it must not overwrite its successor."""
    create_topics(settings)
    topic = topic_specs(settings)["state-changelog"].name
    paused, successor = ChangelogWriter(settings, topic, 1), ChangelogWriter(settings, topic, 1)
    await paused.start()
    await paused.write([(b"a", b"1"), (b"b", b"1")])
    await successor.start()
    await successor.write([(b"a", b"2")])

    with pytest.raises(StateError, match="taken over by another worker"):
        await paused.write([(b"a", b"stale")])
    await successor.write([(b"c", None)])

    found: list[tuple[bytes, bytes | None]] = []
    end = await read_partition(settings, topic, 1, 0, lambda _, rs: found.extend((r.key, r.value) for r in rs))
    again: list[bytes] = []
    await read_partition(settings, topic, 1, end, lambda _, rs: again.extend(r.key for r in rs))
    await paused.stop()
    await successor.stop()
    assert found == [(b"a", b"1"), (b"b", b"1"), (b"a", b"2"), (b"c", None)]
    assert again == []


async def test_what_a_write_returns_is_where_reading_goes_on(kafka: object, settings: Settings) -> None:
    create_topics(settings)
    topic = topic_specs(settings)["state-changelog"].name
    writer = ChangelogWriter(settings, topic, 0)
    await writer.start()
    position = await writer.write([(b"a", b"1"), (b"b", b"1")])
    await writer.write([(b"b", b"2")])
    await writer.stop()

    found: list[tuple[bytes, bytes]] = []
    await read_partition(settings, topic, 0, position, lambda _, rs: found.extend((r.key, r.value) for r in rs))

    assert found == [(b"b", b"2")]


async def test_a_tail_has_read_all_that_was_there_when_it_started_and_follows(
    kafka: object, settings: Settings
) -> None:
    create_topics(settings)
    topic = topic_specs(settings)["catalogue"].name
    sender = RecordSender(settings)
    await sender.start()
    await sender.send(OutRecord(topic, f"i{n}".encode(), b"{}") for n in range(500))
    found: list[bytes] = []
    tail = TopicTail(settings, topic, lambda _, records: found.extend(r.key for r in records))
    await tail.start()
    num_at_start = len(found)
    await sender.send([OutRecord(topic, b"late", b"{}")])
    while b"late" not in found:
        assert tail.failed() is None
        await tail.polled()
    await tail.stop()
    await sender.stop()

    assert num_at_start == 500
    assert sum(tail.positions.values()) == 501


async def test_a_flush_may_be_interrupted_for_longer_than_a_rebalance_waits(kafka: object, settings: Settings) -> None:
    """A starved worker was fenced by the broker 15 s into a flush, took itself for replaced, and started anew."""
    create_topics(settings)
    writer = ChangelogWriter(settings, topic_specs(settings)["state-changelog"].name, 0)
    await writer.start()
    with admin_client(settings) as admin:
        [held] = admin.describe_transactions([f"{topic_specs(settings)['state-changelog'].name}-0"]).values()
    await writer.stop()

    assert held.transaction_timeout_ms >= 2_000 * REBALANCE_TIMEOUT_S


async def test_however_many_send_to_one_partition_at_once_each_gets_its_turn(kafka: object, settings: Settings) -> None:
    """As rankings do after a pause: thousands of requests, answered a few at a time."""
    create_topics(settings)
    topic, num = topic_specs(settings)["rankings"].name, 2_000
    sender = RecordSender(settings)
    await sender.start()
    await asyncio.gather(*(sender.send([OutRecord(topic, b"%d" % n, b"%d" % n, 0)]) for n in range(num)))
    await sender.stop()

    found: list[bytes] = []
    await read_partition(settings, topic, 0, 0, lambda _, rs: found.extend(r.value for r in rs))
    assert found == [b"%d" % n for n in range(num)]
