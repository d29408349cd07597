from collections.abc import Iterable
from typing import Any

import orjson

from streams.clock import Clock, ManualClock, SystemClock
from streams.events.checked_log import checked_records
from streams.events.importers import BadLine, LogRecord
from streams.kafka.bulk_sender import BulkRecord
from streams.replay.sender import ReplayCounts, ReplayOptions, close_windows, replay_records
from streams.settings import LabelSettings, Settings

T0 = 1_700_000_000_000
SETTINGS = Settings(topic_prefix="t.", num_partitions=2)


class ListSink:
    """A sender whose log is a list; one partition per topic."""

    def __init__(self) -> None:
        self.log: list[BulkRecord | str] = []
        self.offsets: dict[tuple[str, int], int] = {}

    async def send(self, records: Iterable[BulkRecord]) -> None:
        for record in records:
            self.log.append(record)
            self.offsets[record.topic, 0] = self.offsets.get((record.topic, 0), 0) + 1

    async def flush(self) -> None:
        self.log.append("flushed")


def search(at_ms: int, query: str = "q") -> LogRecord:
    value = {"event_id": f"e{at_ms}", "type": "search", "user_id": "u", "occurred_at_ms": T0 + at_ms, "query": query}
    return LogRecord("events", "u", value, at_ms)


def item(item_id: str) -> LogRecord:
    return LogRecord("catalogue", item_id, {"item_id": item_id}, 1)


async def replayed(
    records: Iterable[LogRecord | BadLine], clock: Clock | None = None, **options: Any
) -> tuple[ReplayCounts, list[BulkRecord | str]]:
    sink = ListSink()

    async def apply(offsets: dict[int, int]) -> None:
        sink.log.append(f"applied {offsets}")

    chosen = ReplayOptions(**{"events_per_s": None, "send_invalid": False, "apply_catalogue": apply, **options})
    counts = await replay_records(
        checked_records(records), sink, SETTINGS, chosen, clock=clock or ManualClock(), tell=lambda *_: None
    )
    return counts, sink.log


def short(log: Iterable[BulkRecord | str]) -> list[str]:
    return [entry if isinstance(entry, str) else f"{entry.topic} {entry.key}" for entry in log]


async def test_events_wait_until_the_items_before_them_are_known() -> None:
    counts, log = await replayed([item("a"), item("b"), search(1), search(2), item("c"), search(3)])
    assert short(log) == [
        "t.catalogue a", "t.catalogue b", "flushed", "applied {0: 2}", "t.events u", "t.events u",
        "t.catalogue c", "flushed", "applied {0: 3}", "t.events u", "flushed",
    ]  # fmt: skip
    assert (counts.events_sent, counts.items_sent, counts.latest_ms) == (3, 3, T0 + 3)


async def test_a_run_of_items_longer_than_a_round_is_waited_for_once() -> None:
    _, log = await replayed([*(item(str(k)) for k in range(4500)), search(1)])
    assert [entry for entry in log if isinstance(entry, str)] == ["flushed", "applied {0: 4500}", "flushed"]


async def test_items_at_the_end_of_a_log_are_waited_for_too() -> None:
    _, log = await replayed([search(1), item("a")])
    assert short(log) == ["t.events u", "t.catalogue a", "flushed", "applied {0: 1}"]


BAD = [
    LogRecord("events", None, {"type": "search"}, 7),
    BadLine(8, "not_json", "line: cut", b"{cut"),
    LogRecord("catalogue", None, {}, 9),
    LogRecord("events", "u", {"type": "search", "query": "x" * 2_000_000}, 10),
]


async def test_rejected_records_are_counted_with_reasons_and_left_out() -> None:
    counts, log = await replayed([search(1), *BAD, search(2)])
    assert short(log) == ["t.events u", "t.events u", "flushed"]
    assert counts.events_sent == 2
    assert dict(counts.rejected) == {"missing_field": 2, "not_json": 1, "too_large": 1}
    assert counts.examples[:2] == [
        "line 7: missing_field: event_id: not in the record, needed",
        "line 8: not_json: line: cut",
    ]


async def test_rejected_records_are_sent_as_they_are_when_asked_except_where_kafka_takes_none() -> None:
    counts, log = await replayed([search(1), *BAD], send_invalid=True)
    sent = [(entry.topic, entry.key, entry.value) for entry in log if isinstance(entry, BulkRecord)]
    assert sent[1:] == [("t.events", None, b'{"type":"search"}'), ("t.events", None, b"{cut")]
    assert (counts.events_sent, counts.rejected.total()) == (1, 4)


async def test_a_removed_item_is_sent_as_a_tombstone() -> None:
    _, log = await replayed([LogRecord("catalogue", "a", None, 1)])
    assert log[0] == BulkRecord("t.catalogue", "a", None)


async def test_a_chosen_speed_is_kept() -> None:
    clock = SystemClock()
    began_s = clock.monotonic_s()
    await replayed([search(k) for k in range(30)], events_per_s=100.0, clock=clock)
    assert 0.25 <= clock.monotonic_s() - began_s < 1.0


async def test_a_watermark_for_each_partition_lies_past_every_window() -> None:
    sink = ListSink()
    settings = SETTINGS.model_copy(update={"labels": LabelSettings(window_overrides_s={"click": 10})})
    at_ms = await close_windows(sink, settings, T0)
    week_and_lateness_ms = 7 * 86_400_000 + 5_000
    assert at_ms == T0 + week_and_lateness_ms + 1
    mark = {"type": "watermark", "event_id": f"watermark:{at_ms}", "user_id": "", "occurred_at_ms": at_ms}
    assert sink.log == [
        *(BulkRecord("t.events", None, orjson.dumps(mark), partition) for partition in range(2)),
        "flushed",
    ]
