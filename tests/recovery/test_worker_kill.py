"""kill -9 of a real worker under load: totals, training examples and labels equal a straight run, once each."""

import asyncio
from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson
import pytest

from streams.clock import SystemClock
from streams.examples.records import Labels, Shown, decode_record
from streams.features.items import ItemTable
from streams.features.source_counts import TOTALS
from streams.features.state_store import StateStore
from streams.kafka.admin import create_topics
from streams.kafka.lag_reader import read_lag
from streams.kafka.record_sender import OutRecord, RecordSender
from streams.kafka.tail import read_partition
from streams.ranking.candidates import CandidateIndex
from streams.settings import LabelSettings, Settings, WorkerSettings
from streams.topics import topic_specs
from streams.worker.partition import Partition
from streams.worker.partition_state import PartitionState
from streams.worker.requests import ListCapture
from tests.recovery.role import Role
from tests.worker.conftest import WINDOWS_S
from tests.worker.event_log import catalogue, shop_log

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]



def with_settings(settings: Settings, num_partitions: int, worker: str = "worker-0") -> Settings:
    return settings.model_copy(
        update={
            "num_partitions": num_partitions,
            "worker": WorkerSettings(instance_id=worker, flush_interval_s=0.05, commit_interval_s=0.2),
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


async def send(settings: Settings, events: Sequence[dict[str, Any]]) -> None:
    topic = topic_specs(settings)["events"].name
    sender = RecordSender(settings)
    await sender.start()
    await sender.send(OutRecord(topic, event["user_id"].encode(), orjson.dumps(event)) for event in events)
    await sender.stop()


async def end_windows(settings: Settings, events: Sequence[dict[str, Any]]) -> None:
    topic, raw = topic_specs(settings)["events"].name, orjson.dumps(watermark(events))
    sender = RecordSender(settings)
    await sender.start()
    await sender.send(OutRecord(topic, None, raw, partition) for partition in range(settings.num_partitions))
    await sender.stop()


async def prepare(settings: Settings) -> None:
    create_topics(settings)
    topic = topic_specs(settings)["catalogue"].name
    sender = RecordSender(settings)
    await sender.start()
    await sender.send(OutRecord(topic, item["item_id"].encode(), orjson.dumps(item)) for item in catalogue())
    await sender.stop()


async def drained(worker: Role) -> None:
    """Wait until the worker has committed everything, twice in a row."""
    num_quiet, settings = 0, worker.settings
    while num_quiet < 2:
        worker.wait_until(lambda status: status["ready"])
        report = await asyncio.to_thread(read_lag, settings, [settings.worker_group], SystemClock().now_ms())
        num_quiet = num_quiet + 1 if report.total_lag == 0 else 0
        await asyncio.sleep(0.3)


async def read_all(settings: Settings, short: str) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []
    for partition in range(settings.num_partitions):
        name = topic_specs(settings)[short].name
        await read_partition(settings, name, partition, 0, lambda _, rs: found.extend((r.key, r.value) for r in rs))
    return found


def straight_run(settings: Settings, folder: Any, log: list[tuple[bytes, bytes]]) -> tuple[Any, Any, list[Any]]:
    """User totals, item totals and examples of the log on `events`, processed in one go without any failure."""
    users: dict[str, list[int]] = {}
    examples: list[Any] = []
    totals: dict[str, Any] = {}
    for number in range(settings.num_partitions):
        items = ItemTable(settings.catalogue, settings.num_partitions)
        for item in catalogue():
            items.upsert(item, 0)
        store = StateStore(folder / str(number))
        state = PartitionState(number, store, items, settings.labels.windows_s)
        engine = Partition(state, settings, ListCapture(items, CandidateIndex(20)))
        outputs = engine.process([r for r in log if r.partition == number])  # type: ignore[attr-defined]
        examples += [decode_record(raw) for _, raw in outputs.examples]
        for key in list(state.users._held):
            users[key] = state.user(key).totals
        for slot in state.all_items():
            item_id = items.item_ids[slot]
            totals[item_id] = np.add(totals.get(item_id, np.zeros(6, int)), items.totals[slot])
        store.close()
    return users, {item: found.tolist() for item, found in totals.items()}, examples


async def events_on_topic(settings: Settings) -> list[Any]:
    found: list[Any] = []
    for partition in range(settings.num_partitions):
        await read_partition(
            settings, topic_specs(settings)["events"].name, partition, 0, lambda _, records: found.extend(records)
        )
    return found


def final_examples(records: Sequence[Shown | Labels]) -> tuple[dict[Any, Shown], dict[Any, Labels]]:
    """The first shown of each part, the highest revision of each task's labels."""
    shown: dict[Any, Shown] = {}
    labels: dict[Any, Labels] = {}
    for record in records:
        if isinstance(record, Shown):
            shown.setdefault((record.slate_id, record.part), record)
        elif record.revision >= labels.get((record.slate_id, record.task), record).revision:
            labels[record.slate_id, record.task] = record
    return shown, labels


def rows_in_feast(settings: Settings, users: list[str], items: list[str]) -> tuple[Any, Any]:
    from feast import FeatureStore

    store = FeatureStore(repo_path=str(settings.data_dir / "feature_repo"))
    found = []
    for view, key, ids in (("user_counters", "user_id", users), ("item_counters", "item_id", items)):
        names = [f"{view}:{total}_total" for total in TOTALS]
        rows = store.get_online_features(names, [{key: entity} for entity in ids]).to_dict()
        columns = [rows[f"{total}_total"] for total in TOTALS]
        found.append({entity: list(row) for entity, row in zip(ids, zip(*columns, strict=True), strict=True)})
    return found[0], found[1]


@pytest.mark.parametrize(("num_partitions", "seed"), [(1, 5), (3, 6)])
async def test_killed_again_and_again_the_worker_counts_everything_once(
    kafka: object, settings: Settings, tmp_path: Any, num_partitions: int, seed: int
) -> None:
    settings = with_settings(settings, num_partitions)
    await prepare(settings)
    log, rng = live_log(150, seed), np.random.default_rng(seed)
    cuts = sorted(rng.integers(100, len(log) - 100, 3).tolist())
    with Role("worker", settings) as worker:
        for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
            await send(settings, log[start:end])
            if end < len(log):
                seen = int(rng.integers(1, max(2, end - start)))
                worker.wait_until(lambda status, seen=seen: status["events"] >= min(seen, 50))
                worker.kill()
                worker.start()
        await drained(worker)
        await end_windows(settings, log)
        await drained(worker)

    users, items, expected = straight_run(settings, tmp_path / "straight", await events_on_topic(settings))
    found = [decode_record(raw) for _, raw in await read_all(settings, "training-examples")]
    shown, labels = final_examples(found)
    expected_shown, expected_labels = final_examples(expected)

    assert rows_in_feast(settings, sorted(users), sorted(items)) == (users, items)
    assert {k: (v.items, v.positions) for k, v in shown.items()} == {
        k: (v.items, v.positions) for k, v in expected_shown.items()
    }
    assert {k: (v.revision, v.items, v.values) for k, v in labels.items()} == {
        k: (v.revision, v.items, v.values) for k, v in expected_labels.items()
    }
    if num_partitions == 1:
        # Item features depend on one partition alone then: they are the same, bit for bit.
        assert {k: (v.user, v.item, v.cross) for k, v in shown.items()} == {
            k: (v.user, v.item, v.cross) for k, v in expected_shown.items()
        }


async def test_a_worker_with_an_empty_disk_gets_the_state_from_the_changelog(
    kafka: object, settings: Settings, tmp_path: Any
) -> None:
    settings = with_settings(settings, 3)
    await prepare(settings)
    log = live_log(120, 9)
    with Role("worker", settings) as worker:
        await send(settings, log[: len(log) // 2])
        await drained(worker)
        worker.kill()
    moved = with_settings(settings.model_copy(update={"data_dir": tmp_path / "other-host"}), 3, "worker-1")
    with Role("worker", moved) as worker:
        await send(moved, log[len(log) // 2 :])
        await drained(worker)
        await end_windows(moved, log)
        await drained(worker)

    users, items, expected = straight_run(moved, tmp_path / "straight", await events_on_topic(moved))
    found = [decode_record(raw) for _, raw in await read_all(moved, "training-examples")]
    _, labels = final_examples(found)
    _, expected_labels = final_examples(expected)

    assert rows_in_feast(moved, sorted(users), sorted(items)) == (users, items)
    assert {k: v.values for k, v in labels.items()} == {k: v.values for k, v in expected_labels.items()}
