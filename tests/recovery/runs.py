"""What the recovery tests do with a run: settings, a log of its own, sending it, waiting until it is drained."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from streams.clock import SystemClock
from streams.kafka.admin import create_topics
from streams.kafka.lag_reader import read_lag
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.kafka.tail import read_partition
from streams.settings import LabelSettings, Settings, WorkerSettings
from streams.topics import topic_specs
from tests.recovery.role import Role
from tests.worker.conftest import WINDOWS_S
from tests.worker.event_log import catalogue, shop_log

DRAIN_WITHIN_S = 90.0


def with_settings(settings: Settings, num_partitions: int, worker: str = "worker-0") -> Settings:
    """Short windows and frequent commits. No pause of a test may close a window: a straight run has no pauses."""
    return settings.model_copy(
        update={
            "num_partitions": num_partitions,
            "worker": WorkerSettings(
                instance_id=worker, flush_interval_s=0.05, commit_interval_s=0.2, idle_watermark_s=3600.0
            ),
            "labels": LabelSettings(window_overrides_s=WINDOWS_S),
        }
    )


def live_log(num_slates: int, seed: int) -> list[dict[str, Any]]:
    """The shop's log, ending a minute ago, and a watermark at the end that closes every window."""
    events = shop_log(num_slates, seed)
    shift_ms = SystemClock().now_ms() - 60_000 - max(event["occurred_at_ms"] for event in events)
    return [{**event, "occurred_at_ms": event["occurred_at_ms"] + shift_ms} for event in events]


def watermark(after: Sequence[dict[str, Any]]) -> dict[str, Any]:
    at_ms = max(event["occurred_at_ms"] for event in after) + 600_000
    return {"type": "watermark", "event_id": "end", "user_id": "", "occurred_at_ms": at_ms}


async def send_records(settings: Settings, records: Iterable[OutRecord]) -> None:
    sender = RecordSender(settings)
    await sender.start()
    await sender.send(records)
    await sender.stop()


async def send(settings: Settings, events: Sequence[dict[str, Any]]) -> None:
    topic = topic_specs(settings)["events"].name
    await send_records(settings, [OutRecord(topic, e["user_id"].encode(), orjson.dumps(e)) for e in events])


async def end_windows(settings: Settings, events: Sequence[dict[str, Any]]) -> None:
    topic, raw = topic_specs(settings)["events"].name, orjson.dumps(watermark(events))
    await send_records(settings, [OutRecord(topic, None, raw, number) for number in range(settings.num_partitions)])


async def prepare(settings: Settings) -> None:
    """Topics, and a catalogue on them."""
    create_topics(settings)
    topic = topic_specs(settings)["catalogue"].name
    items = [OutRecord(topic, item["item_id"].encode(), orjson.dumps(item)) for item in catalogue()]
    await send_records(settings, items)


async def drained(*roles: Role, may_restart: bool = False) -> None:
    """Wait until all are ready and the groups have committed everything, twice in a row."""
    num_quiet, settings = 0, roles[0].settings
    groups = [settings.trainer_group if role.role == "trainer" else settings.worker_group for role in roles]
    end_s = SystemClock().monotonic_s() + DRAIN_WITHIN_S
    while num_quiet < 2:
        for role in roles:
            wait = role.keep_alive_until if may_restart else role.wait_until
            wait(lambda status: status["ready"])
        report = await asyncio.to_thread(read_lag, settings, sorted(set(groups)), SystemClock().now_ms())
        num_quiet = num_quiet + 1 if report.total_lag == 0 else 0
        assert SystemClock().monotonic_s() < end_s, f"{report.total_lag} records left after {DRAIN_WITHIN_S} s"
        await asyncio.sleep(0.3)


async def records_of(settings: Settings, short: str) -> list[Any]:
    """All records of a topic, partition by partition, in offset order."""
    name, found = topic_specs(settings)[short].name, list[Any]()
    for partition in range(topic_specs(settings)[short].num_partitions):
        await read_partition(settings, name, partition, 0, lambda _, records: found.extend(records))
    return found
