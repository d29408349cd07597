"""Asks Kafka what lag.py needs: committed offsets, both ends of each log, and when the oldest waiting record came.

It reads from outside and joins no group, so measuring causes no rebalance. Connections live for one reading only: a
broker that restarts between two readings costs nothing.
"""

import contextlib
import threading
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from kafka import KafkaConsumer, OffsetSpec, TopicPartition
from kafka.errors import KafkaError

from streams.clock import SystemClock
from streams.errors import SettingsError
from streams.kafka.admin import admin_client
from streams.kafka.lag import LagReport, Place, Waiting, measure, our_groups
from streams.kafka.security import kafka_python_kwargs, unreachable
from streams.settings import Settings

__all__ = ["read_lag"]

READ_TIMEOUT_S = 10.0
_RETRY_S = 0.05
_POLL_MS = 100
_FETCH_BYTES = 64 << 10


def read_lag(settings: Settings, groups: Sequence[str], now_ms: int) -> LagReport:
    """The lag of the groups. Ours count also on topics where they never committed.

    Raises:
        SettingsError: a group that is not ours never committed anything: its name is probably wrong.
        BrokerUnreachableError: no broker answered.
    """
    with admin_client(settings) as client:
        places = _places(client, settings, groups)
    waiting = {place.waiting for place in places if place.lag}
    return measure(places, _appended_at_ms(settings, waiting), now_ms)


def _places(client: Any, settings: Settings, groups: Sequence[str]) -> list[Place]:
    committed = _committed(client, groups)
    ours = our_groups(settings)
    partitions = _partitions(client)
    of_group: dict[str, set[TopicPartition]] = {}
    for group in groups:
        if group not in ours and not committed[group]:
            raise _unknown_group(client, group)
        read = {tp.topic for tp in committed[group]} | set(ours.get(group, ()))
        of_group[group] = {tp for tp in partitions if tp.topic in read}
    wanted = set().union(*of_group.values())
    start, end = (
        client.list_partition_offsets(dict.fromkeys(wanted, spec)) if wanted else {}
        for spec in (OffsetSpec.EARLIEST, OffsetSpec.LATEST)
    )
    return [
        Place(group, tp.topic, tp.partition, committed[group].get(tp), start[tp].offset, end[tp].offset)
        for group, tps in of_group.items()
        for tp in tps
    ]


def _partitions(client: Any) -> list[TopicPartition]:
    """All partitions that exist; a topic that was deleted may still have commits."""
    topics = [topic for topic in client.describe_topics() if not topic["error_code"]]
    return [TopicPartition(topic["name"], p["partition_index"]) for topic in topics for p in topic["partitions"]]


def _committed(client: Any, groups: Sequence[str]) -> dict[str, dict[TopicPartition, int]]:
    """Committed offsets by group. On a new cluster the first question makes Kafka's own topic for them: ask again."""
    clock, nobody = SystemClock(), threading.Event()
    deadline_s = clock.monotonic_s() + READ_TIMEOUT_S
    while True:
        try:
            found = client.list_group_offsets(list(groups))
        except KafkaError as error:
            if not error.retriable or clock.monotonic_s() > deadline_s:
                raise
            nobody.wait(_RETRY_S)
        else:
            return {
                group: {tp: place.offset for tp, place in found.get(group, {}).items() if place.offset >= 0}
                for group in groups
            }


def _unknown_group(client: Any, group: str) -> SettingsError:
    known = ", ".join(sorted(found["group_id"] for found in client.list_groups())) or "none"
    return SettingsError(
        f"group {group!r} has committed no offset; needed: a group that has; known here: {known}; correct --group, or "
        "the FRESHRANK_TOPIC_PREFIX from which our groups are named"
    )


def _appended_at_ms(settings: Settings, waiting: Collection[Waiting]) -> dict[Waiting, int]:
    """When the broker appended the records at these places."""
    if not waiting:
        return {}
    try:
        consumer = KafkaConsumer(
            **kafka_python_kwargs(settings),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
        with contextlib.closing(consumer):
            found: dict[Waiting, int] = {}
            for places in _one_per_partition(waiting):
                found |= _read_first(consumer, places)
            return found
    except KafkaError as error:
        raise unreachable(settings, error) from error


def _one_per_partition(waiting: Iterable[Waiting]) -> list[dict[TopicPartition, Waiting]]:
    """A consumer has one place per partition; two groups may wait at two."""
    rounds: list[dict[TopicPartition, Waiting]] = []
    for place in waiting:
        tp = TopicPartition(place[0], place[1])
        free = next((one for one in rounds if tp not in one), None)
        if free is None:
            rounds.append(free := {})
        free[tp] = place
    return rounds


def _read_first(consumer: Any, places: dict[TopicPartition, Waiting]) -> dict[Waiting, int]:
    """Append time of the first record at or after each place. What is only transaction marks to its end has none."""
    clock = SystemClock()
    deadline_s = clock.monotonic_s() + READ_TIMEOUT_S
    consumer.assign(list(places))
    consumer.resume(*places)  # a round before may have paused them
    for tp, (_, _, offset) in places.items():
        consumer.seek(tp, offset)
    ends = consumer.end_offsets(list(places))
    found: dict[Waiting, int] = {}
    open_ = set(places)
    while open_ and clock.monotonic_s() < deadline_s:
        for tp, records in consumer.poll(timeout_ms=_POLL_MS).items():
            found.setdefault(places[tp], records[0].timestamp)
        done = {tp for tp in open_ if places[tp] in found or consumer.position(tp) >= ends[tp]}
        consumer.pause(*done)
        open_ -= done
    return found
