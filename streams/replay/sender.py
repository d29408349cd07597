"""Sends a log to Kafka: in order, at a chosen speed, catalogue before the events after it.

Knows how a replay proceeds, not how a log is read or how records reach Kafka: both are handed in.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import orjson

from streams.clock import Clock
from streams.events.checked_log import CheckedRecord
from streams.events.rejection import Rejected
from streams.kafka.bulk_sender import BulkRecord
from streams.replay.progress import Report
from streams.settings import Settings
from streams.topics import MAX_RECORD_BYTES

__all__ = ["ReplayCounts", "ReplayOptions", "Sink", "close_windows", "replay_records"]

ROUND_RECORDS = 2_000
# At a chosen speed, a round lasts about so long.
PACED_ROUND_S = 0.05
MAX_EXAMPLES = 5


class Sink(Protocol):
    """What a replay needs of a sender."""

    offsets: dict[tuple[str, int], int]

    async def send(self, records: Iterable[BulkRecord]) -> None:
        """Take records in order."""
        ...

    async def flush(self) -> None:
        """Return when all are in the log."""
        ...


@dataclass(slots=True)
class ReplayCounts:
    """What a replay did. `latest_ms`: newest event time sent; `examples`: the first rejected lines, in words."""

    events_sent: int = 0
    items_sent: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    latest_ms: int = 0

    def reject(self, record: CheckedRecord, refusal: Rejected) -> None:
        """Count a refused record and keep the first few in words."""
        self.rejected[refusal.reason] += 1
        if len(self.examples) < MAX_EXAMPLES:
            self.examples.append(f"line {record.line}: {refusal.reason}: {refusal.detail}")


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """`events_per_s` None: as fast as it goes. `apply_catalogue` waits until workers know offsets of the catalogue."""

    events_per_s: float | None
    send_invalid: bool
    apply_catalogue: Callable[[dict[int, int]], Awaitable[None]]


async def replay_records(
    records: Iterable[CheckedRecord],
    sink: Sink,
    settings: Settings,
    options: ReplayOptions,
    *,
    clock: Clock,
    tell: Report,
) -> ReplayCounts:
    """Send all records and return when they are in the log."""
    counts = ReplayCounts()
    topics = {"events": f"{settings.topic_prefix}events", "catalogue": f"{settings.topic_prefix}catalogue"}
    is_catalogue_open = False
    began_s = clock.monotonic_s()
    per_round = ROUND_RECORDS if options.events_per_s is None else max(1, int(options.events_per_s * PACED_ROUND_S))
    source = iter(records)
    # Read in a thread: a slow pipe or a long decompression must not hold up what is on its way.
    while chunk := await asyncio.to_thread(_taken, source, per_round):
        for run in _runs(chunk):
            sending = list(_counted(run, topics, counts, send_invalid=options.send_invalid))
            if not sending:
                continue
            if run[0].topic == "events" and is_catalogue_open:
                await sink.flush()
                await options.apply_catalogue(_offsets(sink, topics["catalogue"]))
            is_catalogue_open = run[0].topic == "catalogue"
            await sink.send(sending)
        await _keep_pace(options.events_per_s, counts, began_s, clock)
        tell(None, _words(counts, clock.monotonic_s() - began_s))
    await sink.flush()
    if is_catalogue_open:
        await options.apply_catalogue(_offsets(sink, topics["catalogue"]))
    return counts


async def close_windows(sink: Sink, settings: Settings, latest_ms: int) -> int:
    """End the label windows of everything up to `latest_ms`: one watermark per partition. Returns the time they say."""
    longest_s = max(settings.labels.windows_s.values()) + settings.worker.allowed_lateness_s
    at_ms = latest_ms + int(longest_s * 1000) + 1
    topic = f"{settings.topic_prefix}events"
    mark = {"type": "watermark", "event_id": f"watermark:{at_ms}", "user_id": "", "occurred_at_ms": at_ms}
    value = orjson.dumps(mark)
    await sink.send(BulkRecord(topic, None, value, partition) for partition in range(settings.num_partitions))
    await sink.flush()
    return at_ms


def _taken(source: Iterator[CheckedRecord], count: int) -> list[CheckedRecord]:
    return list(islice(source, count))


def _runs(chunk: Sequence[CheckedRecord]) -> Iterator[list[CheckedRecord]]:
    """Neighbours of the same topic."""
    run: list[CheckedRecord] = []
    for record in chunk:
        if run and record.topic != run[0].topic:
            yield run
            run = []
        run.append(record)
    if run:
        yield run


def _counted(
    run: Iterable[CheckedRecord], topics: dict[str, str], counts: ReplayCounts, *, send_invalid: bool
) -> Iterator[BulkRecord]:
    """The records of a run to be sent, counted as they go by."""
    for record in run:
        if record.refusal is not None:
            counts.reject(record, record.refusal)
            if not (send_invalid and _can_be_sent(record)):
                continue
        elif record.topic == "events":
            counts.events_sent += 1
            counts.latest_ms = max(counts.latest_ms, record.value["occurred_at_ms"])
        else:
            counts.items_sent += 1
        yield BulkRecord(topics[record.topic], record.key, record.raw)


def _can_be_sent(record: CheckedRecord) -> bool:
    """Kafka takes no record without a key on a compacted topic, and none larger than the topic allows."""
    if record.topic == "catalogue" and not record.key:
        return False
    # Half: keys and headers count too.
    return len(record.raw or b"") <= MAX_RECORD_BYTES // 2


def _offsets(sink: Sink, topic: str) -> dict[int, int]:
    return {partition: offset for (name, partition), offset in sink.offsets.items() if name == topic}


async def _keep_pace(events_per_s: float | None, counts: ReplayCounts, began_s: float, clock: Clock) -> None:
    if events_per_s is None:
        return
    due_s = began_s + counts.events_sent / events_per_s
    await asyncio.sleep(max(0.0, due_s - clock.monotonic_s()))


def _words(counts: ReplayCounts, seconds: float) -> str:
    rate = counts.events_sent / seconds if seconds > 0 else 0.0
    rejected = f", {counts.rejected.total():,} rejected" if counts.rejected else ""
    return f"{counts.events_sent:,} events and {counts.items_sent:,} items sent{rejected}, {rate:,.0f} events/s"
