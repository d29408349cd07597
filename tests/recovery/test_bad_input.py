"""Bad input among good, in one go, through a real worker: each bad record has its dead letter, each good one counts."""

from collections import Counter
from typing import Any

import orjson
import pytest

from streams.clock import SystemClock
from streams.events.dead_letter import KEPT_BYTES, DeadLetter
from streams.examples.records import Labels, Shown, decode_record
from streams.kafka.partitioner import partition_for
from streams.kafka.record_sender import OutRecord
from streams.ranking.record import Ranking
from streams.settings import Settings
from streams.topics import topic_specs
from tests.recovery.bad_records import bad_events, bad_items
from tests.recovery.role import Role
from tests.recovery.role_nursery import RoleNursery
from tests.recovery.runs import drained, prepare, records_of, send_records, with_settings
from tests.recovery.straight_run import rows_in_feast
from tests.worker.event_log import NUM_ITEMS

pytestmark = [pytest.mark.integration, pytest.mark.timeout(150)]

HERE, THERE = 0, 1
USER = next(name for name in map("u{}".format, range(99)) if partition_for(name, 2) == HERE)
OTHER = next(name for name in map("u{}".format, range(99)) if partition_for(name, 2) == THERE)
# More bad catalogue records in a row than anybody keeps in memory.
RUBBISH = [(b'{"colour": "red"}', "missing_field")] * 1_500
YEAR_2005_MS = 1_104_537_600_000
HOUR_MS = 3_600_000
# How often lists are refreshed, and one of them is checked, depends on time.
UNSTEADY = {"rankings", "sheds", "rebalances", "skew_lists"}


def event(kind: str, event_id: str, at_ms: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": event_id, "user_id": USER, "occurred_at_ms": at_ms, **fields}


def good_events(now_ms: int) -> list[dict[str, Any]]:
    """Odd, but valid: all are processed, in this order."""
    shown = [{"item_id": "i3", "position": 0}, {"item_id": "never|catalogued", "position": 1}]
    named = [{"item_id": "i3"}, {"item_id": "never|catalogued"}, {"item_id": "i5"}]
    twice = event("view", "twice", now_ms, item_id="i6")
    return [
        event("click", "before its impression", now_ms, item_id="i3", slate_id="s1"),
        event("impression", "shown", now_ms, slate_id="s1", surface="home", items=shown),
        event("click", "of a slate never seen", now_ms, item_id="i4", slate_id="never"),
        event("rank", "asked", now_ms, request_id="named", surface="home", items=named),
        twice,
        twice,
        event("view", "far past", YEAR_2005_MS, item_id="i7"),
        event("view", "an hour ahead", now_ms + HOUR_MS, item_id="i8"),
    ]


def event_records(settings: Settings, now_ms: int) -> list[OutRecord]:
    topic, key = topic_specs(settings)["events"].name, USER.encode()
    records = []
    for number, (value, _) in enumerate(bad_events(USER, now_ms)):
        neighbour = event("view", f"neighbour {number}", now_ms, item_id="i2")
        records += [OutRecord(topic, key, orjson.dumps(neighbour), HERE), OutRecord(topic, key, value, HERE)]
    keyless = event("view", "without a key", now_ms, item_id="i9")
    astray = {**event("view", "astray", now_ms, item_id="i10"), "user_id": OTHER}
    records += [
        OutRecord(topic, None, orjson.dumps(keyless), HERE),
        OutRecord(topic, b"\xff" * 2000, b"{", HERE),
        OutRecord(topic, b"some other key", orjson.dumps(astray), HERE),
    ]
    return records + [OutRecord(topic, key, orjson.dumps(good), HERE) for good in good_events(now_ms)]


def catalogue_records(settings: Settings) -> list[OutRecord]:
    """Bad ones between an item that is new, and a tombstone for one that is shown."""
    topic = topic_specs(settings)["catalogue"].name
    bad = [OutRecord(topic, b"i1", value, THERE) for value, _ in bad_items() + RUBBISH]
    new = OutRecord(topic, b"new", orjson.dumps({"item_id": "new", "category": "c1"}))
    return [new, *bad, OutRecord(topic, b"i3", None)]


def letters_for(settings: Settings, short: str, records: list[Any], reasons: dict[bytes | None, str]) -> set[Any]:
    """The dead letters that these records of a topic must have."""
    return {
        (topic_specs(settings)[short].name, r.partition, r.offset, reasons[r.value], r.key and r.key[:1024],
         (r.value or b"")[:KEPT_BYTES], len(r.value or b""))
        for r in records if r.value in reasons
    }  # fmt: skip


async def letters(settings: Settings) -> list[Any]:
    found = [DeadLetter.decode(record.value) for record in await records_of(settings, "dead-letters")]
    return [(x.topic, x.partition, x.offset, x.reason, x.key_bytes, x.rejected_bytes or b"", x.size_bytes)
            for x in found]  # fmt: skip


async def lists(settings: Settings) -> dict[str, list[str]]:
    found = [Ranking.model_validate_json(record.value) for record in await records_of(settings, "rankings")]
    return {ranking.slate_id: [item.item_id for item in ranking.items] for ranking in found}


async def run_worker(settings: Settings, nursery: RoleNursery) -> tuple[int, dict[tuple[str, str], float]]:
    """Everything in one go; then a request that finds the catalogue read, and the end of all windows.

    Returns the time of most events, when the worker was ready, and its counters.
    """
    topic = topic_specs(settings)["events"].name
    with Role("worker", settings, nursery) as worker:
        now_ms = SystemClock().now_ms() - 1000
        await send_records(settings, [*catalogue_records(settings), *event_records(settings, now_ms)])
        num_items = NUM_ITEMS + len(bad_items()) + len(RUBBISH) + 2
        worker.wait_until(lambda status: sum(status["catalogue_offsets"].values()) == num_items)
        await drained(worker)
        request = event("rank", "later", now_ms, request_id="own", surface="home", k=500)
        await send_records(settings, [OutRecord(topic, USER.encode(), orjson.dumps(request), HERE)])
        end = {"type": "watermark", "event_id": "end", "user_id": "", "occurred_at_ms": now_ms + HOUR_MS}
        await send_records(settings, [OutRecord(topic, None, orjson.dumps(end), number) for number in (HERE, THERE)])
        await drained(worker)
        num_letters = len(bad_events(USER, now_ms)) + 1 + len(bad_items()) + len(RUBBISH)
        worker.wait_until(lambda _: worker.counters().get(("dead_letters", "")) == num_letters)
        return now_ms, worker.counters()


async def test_each_bad_record_has_its_dead_letter_and_every_good_one_between_them_counts(
    kafka: object, settings: Settings, nursery: RoleNursery
) -> None:
    settings = with_settings(settings, 2)
    await prepare(settings)
    now_ms, counters = await run_worker(settings, nursery)

    bad, items = bad_events(USER, now_ms), bad_items() + RUBBISH
    events = await records_of(settings, "events")
    expected = letters_for(settings, "events", events, {**dict(bad), b"{": "not_json"})
    expected |= letters_for(settings, "catalogue", await records_of(settings, "catalogue"), dict(items))
    found = await letters(settings)
    assert set(found) == expected
    assert len(found) == len(bad) + 1 + len(items)

    reasons = Counter([reason for _, reason in [*bad, *items]] + ["not_json"])
    num_views = len(bad) + 5
    assert {key: value for key, value in counters.items() if key[0] not in UNSTEADY} == {
        **{("rejects", reason): number for reason, number in reasons.items()},
        **{("labels", task): 1 for task in ("click", "cart", "order", "dislike")},
        ("dead_letters", ""): len(found),
        ("events", "view"): num_views,
        ("events", "click"): 2,
        ("events", "impression"): 1,
        ("events", "rank"): 2,
        ("duplicates", ""): 1,
        ("forwarded", ""): 1,
        ("clamped", ""): 1,
        ("late", ""): 1,
        ("unknown_slates", "any"): 1,
        ("shown", ""): 1,
    }
    sent_on = [(r.key, orjson.loads(r.value)["event_id"]) for r in events if r.partition == THERE and r.key]
    assert sent_on == [(OTHER.encode(), "astray")]

    assert rows_in_feast(settings, [USER, OTHER], ["i2", "i3", "never|catalogued", "i4", "i6", "i10"]) == (
        {USER: [2, num_views - 1, 2, 0, 0, 0], OTHER: [0, 1, 0, 0, 0, 0]},
        {
            "i2": [0, len(bad), 0, 0, 0, 0],
            "i3": [1, 0, 1, 0, 0, 0],
            "never|catalogued": [1, 0, 0, 0, 0, 0],
            "i4": [0, 0, 1, 0, 0, 0],
            "i6": [0, 1, 0, 0, 0, 0],
            "i10": [0, 1, 0, 0, 0, 0],
        },
    )
    examples = [decode_record(record.value) for record in await records_of(settings, "training-examples")]
    assert [(x.slate_id, x.items) for x in examples if isinstance(x, Shown)] == [("s1", ["i3", "never|catalogued"])]
    clicks = [(x.slate_id, x.values) for x in examples if isinstance(x, Labels) and x.task == "click"]
    assert clicks == [("s1", [1.0, 0.0])]
    answers = await lists(settings)
    assert sorted(answers["named"]) == ["i3", "i5", "never|catalogued"]
    assert "new" in answers["own"]
    assert "i3" not in answers["own"]
