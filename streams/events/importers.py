"""Log files of other systems, and our own, as records for our topics.

Reads and maps; whether a value keeps the contract is for `decode.py` to say. Formats: `freshrank` (one JSON object a
line: `topic`, `value`, and `key` where the value is null to remove an item) and `metarank` (Metarank's events).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import orjson

from streams.events.log_file import LogFile
from streams.events.metarank import UnmappableError, map_metarank
from streams.events.rejection import Reason

__all__ = ["BadLine", "LogFormat", "LogRecord", "read_log"]

LogFormat = Literal["freshrank", "metarank"]
LogTopic = Literal["events", "catalogue"]


class LogRecord(NamedTuple):
    """One record for a topic, not yet validated. `key` is None where the value names no user or item."""

    topic: LogTopic
    key: str | None
    value: Any
    line: int


class BadLine(NamedTuple):
    """A line that is no record of the format."""

    line: int
    reason: Reason
    detail: str
    raw: bytes


def read_log(source: str | Path | LogFile, log_format: LogFormat) -> Iterator[LogRecord | BadLine]:
    """Records of a file (`-`: standard input) in order; a line may give several.

    Raises InputFileError when the file cannot be read.
    """
    mapping = _MAPPINGS[log_format]
    for number, raw in source if isinstance(source, LogFile) else LogFile(source):
        try:
            records = mapping(_object(raw))
        except UnmappableError as error:
            yield BadLine(number, error.reason, error.detail, raw)
        else:
            for topic, key, value in records:
                yield LogRecord(topic, key, value, number)


def _object(raw: bytes) -> dict[str, Any]:
    try:
        line = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        reason: Reason = "not_json" if _is_utf8(raw) else "not_utf8"
        raise UnmappableError(reason, f"line: {error}; needed one JSON object") from error
    if not isinstance(line, dict):
        raise UnmappableError("wrong_type", f"line: found {str(line)[:80]}, must be an object")
    return line


def _map_own(line: dict[str, Any]) -> list[tuple[LogTopic, str | None, Any]]:
    topic, value = line.get("topic"), line.get("value")
    if topic != "events" and topic != "catalogue":  # noqa: PLR1714 - narrows the type
        raise UnmappableError("impossible_value", f"topic: found {topic!r}, must be 'events' or 'catalogue'")
    if "value" not in line:
        raise UnmappableError("missing_field", "value: not in the line, needed")
    named = value.get("user_id" if topic == "events" else "item_id") if isinstance(value, dict) else line.get("key")
    return [(topic, named if isinstance(named, str) else None, value)]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


_MAPPINGS: dict[LogFormat, Callable[[dict[str, Any]], list[tuple[LogTopic, str | None, Any]]]] = {
    "freshrank": _map_own,
    "metarank": map_metarank,
}
