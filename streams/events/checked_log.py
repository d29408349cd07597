"""A log as the worker will see it: each record as bytes for its topic, with the refusal it will get, if any."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, NamedTuple

import orjson

from streams.events.decode import decode_catalogue, decode_events
from streams.events.event_time import OLDEST_MS
from streams.events.importers import BadLine, LogRecord, LogTopic
from streams.events.rejection import Rejected

__all__ = ["CheckedRecord", "checked_records"]

CHUNK_RECORDS = 500


class CheckedRecord(NamedTuple):
    """One record, as bytes, and why it would be refused. `raw` is None to remove an item.

    `value`: as validated; None when refused or when an item is removed. A line that is no record of the format stands
    here as it is, refused, for `events`.
    """

    topic: LogTopic
    key: str | None
    raw: bytes | None
    value: Any
    line: int
    refusal: Rejected | None


def checked_records(records: Iterable[LogRecord | BadLine]) -> Iterator[CheckedRecord]:
    """The records in order, validated in small chunks."""
    source = iter(records)
    while chunk := list(islice(source, CHUNK_RECORDS)):
        raws = [_bytes(record) for record in chunk]
        events, rejected = decode_events([raw if _is_event(r) else None for r, raw in zip(chunk, raws, strict=True)])
        refusals = {refusal.index: refusal for refusal in rejected}
        for index, (record, raw) in enumerate(zip(chunk, raws, strict=True)):
            if isinstance(record, BadLine):
                refusal = Rejected(index, record.reason, record.detail)
                yield CheckedRecord("events", None, raw, None, record.line, refusal)
            elif record.topic == "events":
                yield _event(record, raw, events[index], refusals.get(index))
            else:
                yield _catalogue(record, raw)


def _event(record: LogRecord, raw: bytes | None, event: Any, refusal: Rejected | None) -> CheckedRecord:  # noqa: ANN401
    at_ms = event["occurred_at_ms"] if event is not None else OLDEST_MS
    if at_ms < OLDEST_MS:
        detail = f"occurred_at_ms: found {at_ms}, must be at least {OLDEST_MS} (the year 2000)"
        return CheckedRecord("events", record.key, raw, None, record.line, Rejected(0, "time_too_old", detail))
    return CheckedRecord("events", record.key, raw, event, record.line, refusal)


def _catalogue(record: LogRecord, raw: bytes | None) -> CheckedRecord:
    if raw is None and record.key:
        return CheckedRecord("catalogue", record.key, None, None, record.line, None)
    item = decode_catalogue(raw or b"")
    if isinstance(item, Rejected):
        return CheckedRecord("catalogue", record.key, raw, None, record.line, item)
    return CheckedRecord("catalogue", record.key, raw, item, record.line, None)


def _is_event(record: LogRecord | BadLine) -> bool:
    return isinstance(record, LogRecord) and record.topic == "events"


def _bytes(record: LogRecord | BadLine) -> bytes | None:
    if isinstance(record, BadLine):
        return record.raw
    return None if record.value is None else orjson.dumps(record.value)
