"""Lag of real groups on the real broker."""

from contextlib import closing

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.structs import OffsetAndMetadata

from streams.clock import SystemClock
from streams.errors import SettingsError
from streams.kafka.admin import create_topics
from streams.kafka.lag_reader import read_lag
from streams.kafka.local_broker import LocalBroker
from streams.kafka.security import kafka_python_kwargs
from streams.settings import Settings

pytestmark = pytest.mark.integration


def send(settings: Settings, topic: str, partition: int, num_records: int) -> None:
    with KafkaProducer(**kafka_python_kwargs(settings)) as producer:
        for number in range(num_records):
            producer.send(settings.topic_prefix + topic, b"%d" % number, partition=partition)
        producer.flush()


def commit(settings: Settings, group: str, topic: str, partition: int, offset: int) -> None:
    at = TopicPartition(settings.topic_prefix + topic, partition)
    with closing(KafkaConsumer(**kafka_python_kwargs(settings), group_id=group)) as consumer:
        consumer.assign([at])
        consumer.commit({at: OffsetAndMetadata(offset, "", -1)})


def read(settings: Settings, *groups: str) -> dict[tuple[str, str, int], tuple[int | None, int, int]]:
    report = read_lag(settings, groups, SystemClock().now_ms())
    short = len(settings.topic_prefix)
    return {
        (p.group, p.topic[short:], p.partition): (p.committed_offset, p.end_offset, p.lag) for p in report.partitions
    }


def test_our_groups_lag_from_the_start_of_every_topic_they_read_before_they_ever_ran(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    send(settings, "events", 1, 5)
    worker, trainer = settings.worker_group, settings.trainer_group
    assert read(settings, worker, trainer) == {
        **{(worker, "events", n): (None, 5 if n == 1 else 0, 5 if n == 1 else 0) for n in range(3)},
        **{(worker, "item-counts", n): (None, 0, 0) for n in range(3)},
        **{(trainer, "training-examples", n): (None, 0, 0) for n in range(3)},
    }


def test_committed_offsets_end_offsets_and_the_age_of_the_oldest_waiting_record(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    send(settings, "events", 0, 10)
    send(settings, "events", 2, 3)
    commit(settings, settings.worker_group, "events", 0, 4)
    commit(settings, settings.worker_group, "events", 2, 3)
    rows = read(settings, settings.worker_group)
    assert rows[settings.worker_group, "events", 0] == (4, 10, 6)
    assert rows[settings.worker_group, "events", 2] == (3, 3, 0)
    report = read_lag(settings, [settings.worker_group], SystemClock().now_ms() + 60_000)
    waits = {p.lag_s for p in report.partitions if p.lag}
    assert len(waits) == 1
    assert all(60 <= seconds < 90 for seconds in waits), "appended just now, and read as if a minute had passed"
    assert report.total_lag == 6


def test_any_group_is_read_on_the_topics_where_it_committed_and_two_at_different_places(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    send(settings, "dead-letters", 0, 4)
    one, two = settings.topic_prefix + "one", settings.topic_prefix + "two"
    commit(settings, one, "dead-letters", 0, 1)
    commit(settings, two, "dead-letters", 0, 3)
    rows = read(settings, one, two)
    assert {key: row for key, row in rows.items() if row[1]} == {
        (one, "dead-letters", 0): (1, 4, 3),
        (two, "dead-letters", 0): (3, 4, 1),
    }
    ages = [p.lag_s for p in read_lag(settings, [one, two], SystemClock().now_ms() + 60_000).partitions if p.lag]
    assert len(ages) == 2
    assert all(age >= 60 for age in ages)


def test_a_group_that_nobody_knows_is_an_error_that_names_those_that_exist(
    kafka: LocalBroker, settings: Settings
) -> None:
    create_topics(settings)
    known = settings.topic_prefix + "known"
    commit(settings, known, "events", 0, 0)
    with pytest.raises(SettingsError, match=rf"'mistyped' has committed no offset.*{known}"):
        read_lag(settings, ["mistyped"], 0)


def test_before_topics_exist_there_is_no_lag(kafka: LocalBroker, settings: Settings) -> None:
    assert read(settings, settings.worker_group) == {}
