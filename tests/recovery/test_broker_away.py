"""Kafka away at start, stopped, and killed under load: roles wait or start anew, and everything counts once."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.kafka.admin import admin_client, create_topics
from streams.kafka.local_broker import LocalBroker
from streams.kafka.record_sender import OutRecord
from streams.settings import Settings
from streams.topics import topic_specs
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, end_windows, live_log, prepare, send, send_records, with_settings
from tests.recovery.straight_run import assert_equals_straight_run

pytestmark = [pytest.mark.integration, pytest.mark.timeout(200)]


@pytest.fixture
def broker(tmp_path: Path, settings: Settings) -> Iterator[LocalBroker]:
    """A broker of the test's own, to break."""
    with LocalBroker(tmp_path / "kafka", cache_dir=settings.cache_dir) as broker:
        yield broker


def on(broker: LocalBroker, settings: Settings) -> Settings:
    return with_settings(settings.model_copy(update={"bootstrap_servers": broker.bootstrap_servers}), 2)


def says_that_it_waits(role: Role) -> bool:
    return "broker_away" in role.log and "start one with `freshrank broker`" in role.log


async def test_roles_wait_for_a_kafka_that_is_away_at_start_and_can_be_stopped_while_they_wait(
    broker: LocalBroker, settings: Settings, nursery: RoleNursery
) -> None:
    settings = on(broker, settings)
    await prepare(settings)
    broker.stop()
    worker, trainer = Role("worker", settings, nursery), Role("trainer", settings, nursery)
    try:
        worker.launch()
        trainer.launch()
        worker.wait_until(lambda _: says_that_it_waits(worker))
        trainer.wait_until(lambda _: says_that_it_waits(trainer))
        trainer.signal(signal.SIGTERM)
        assert trainer.ended() == 0
        broker.start()
        worker.wait_until(lambda status: status["ready"])
    finally:
        worker.stop()
        trainer.stop()


async def test_everything_counts_once_whatever_happens_to_kafka(
    broker: LocalBroker, settings: Settings, nursery: RoleNursery, tmp_path: Path
) -> None:
    settings = on(broker, settings)
    await prepare(settings)
    log = live_log(150, 11)
    third = len(log) // 3
    with Role("worker", settings, nursery) as worker:
        await send(settings, log[:third])
        worker.wait_until(lambda status: status["events"] >= 50)
        broker.restart()
        await send(settings, log[third : 2 * third])
        worker.keep_alive_until(lambda status: status["events"] >= 50)
        broker.kill()
        broker.start()
        await send(settings, log[2 * third :])
        await drained(worker, may_restart=True)
        await end_windows(settings, log)
        await drained(worker, may_restart=True)
    await assert_equals_straight_run(settings, tmp_path / "straight")


async def test_a_trainer_that_knew_no_partitions_when_they_were_assigned_gets_them_soon(
    broker: LocalBroker, settings: Settings, nursery: RoleNursery
) -> None:
    """As right after a broker came back: the leader of the group asks before the broker knows the topic again."""
    settings = on(broker, settings)
    await prepare(settings)
    topic = topic_specs(settings)["training-examples"].name
    with admin_client(settings) as admin:
        admin.delete_topics([topic])
    with Role("trainer", settings, nursery) as trainer:
        trainer.wait_until(lambda _: f"No partition metadata for topic {topic}" in trainer.log)
        create_topics(settings)
        await send_records(settings, [OutRecord(topic, b"slate", b"no example")])
        await drained(trainer)
        assert trainer.counters()["rejects", "not_json"] == 1
