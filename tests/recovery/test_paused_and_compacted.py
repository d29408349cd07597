"""A worker is paused amid its work for longer than its session; others go on, Kafka compacts; then it wakes up."""

import asyncio
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from aiokafka.structs import ConsumerRecord
from kafka.admin import ConfigResource, ConfigResourceType

from streams.clock import SystemClock
from streams.kafka.admin import admin_client
from streams.kafka.broker_config import NODE_ID
from streams.kafka.local_broker import LocalBroker
from streams.settings import Settings
from streams.topics import topic_specs
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, live_log, prepare, records_of, send, with_settings
from tests.recovery.straight_run import assert_equals_straight_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

COMPACTED = ("state-changelog", "item-counts")
COMPACTED_WITHIN_S = 60.0
# Events whose records close the segments of what came before.
CLOSING = 20
# A segment is closed by the first write after this, and only what is closed is compacted.
EAGER = {
    "segment.ms": "200",
    "min.cleanable.dirty.ratio": "0.0",
    "min.compaction.lag.ms": "0",
    "delete.retention.ms": "1",
}


@pytest.fixture
def broker(tmp_path: Path, settings: Settings) -> Iterator[LocalBroker]:
    """A broker of the test's own, as its cleaner is told to hurry."""
    with LocalBroker(tmp_path / "kafka", cache_dir=settings.cache_dir) as broker:
        yield broker


def compact_eagerly(settings: Settings) -> None:
    cleaner = ConfigResource(ConfigResourceType.BROKER, str(NODE_ID), {"log.cleaner.backoff.ms": "200"})
    topics = [ConfigResource(ConfigResourceType.TOPIC, topic_specs(settings)[short].name, EAGER) for short in COMPACTED]
    with admin_client(settings) as admin:
        admin.alter_configs([cleaner, *topics])


async def compacted(settings: Settings) -> None:
    """Wait until most repeated keys are gone from both topics."""
    clock = SystemClock()
    end_s = clock.monotonic_s() + COMPACTED_WITHIN_S
    for short in COMPACTED:
        while True:
            records = await records_of(settings, short)
            num_keys, num_sent = len({record.key for record in records}), sum(ends_of(records).values())
            # What the last segment repeats stays.
            if len(records) - num_keys < 0.5 * (num_sent - num_keys):
                break
            found = f"{len(records)} records of {num_keys} keys are left of {num_sent}"
            assert clock.monotonic_s() < end_s, f"{short} was not compacted: {found}"
            await asyncio.sleep(0.2)


def ends_of(records: Sequence[ConsumerRecord[bytes, bytes]]) -> dict[int, int]:
    """By partition, the offset after the last record."""
    return {record.partition: record.offset + 1 for record in sorted(records, key=lambda record: record.offset)}


async def test_a_worker_woken_after_its_session_and_a_compaction_corrupts_nothing(
    broker: LocalBroker, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = with_settings(settings.model_copy(update={"bootstrap_servers": broker.bootstrap_servers}), 2)
    await prepare(settings)
    log = live_log(240, 33)
    parts = [log[start : start + len(log) // 4 + 1] for start in range(0, len(log), len(log) // 4 + 1)]
    paused, other = Role("worker", settings, nursery), Role("worker", with_settings(settings, 2, "worker-1"), nursery)
    try:
        paused.start()
        await send(settings, parts[0])
        await drained(paused)
        await send(settings, parts[1])
        paused.wait_until(lambda status: status["events"] > len(parts[0]))
        paused.signal(signal.SIGSTOP)
        other.launch()
        await send(settings, parts[2])
        other.wait_until(lambda status: status["partitions"] == [0, 1])
        await drained(other)

        compact_eagerly(settings)
        await send(settings, parts[3][:-CLOSING])
        await drained(other)
        await send(settings, parts[3][-CLOSING:])
        await drained(other)
        await compacted(settings)

        paused.signal(signal.SIGCONT)
        await drained(other, paused, may_restart=True)
        await end_windows(settings, log)
        await drained(other, paused, may_restart=True)
    finally:
        paused.stop()
        other.stop()
    elsewhere = with_settings(settings.model_copy(update={"data_dir": tmp_path / "other-host"}), 2, "worker-2")
    with Role("worker", elsewhere, nursery) as last:
        await drained(last)

    for one in (settings, elsewhere):
        await assert_equals_straight_run(one, tmp_path / f"straight-{one.worker.instance_id}")
