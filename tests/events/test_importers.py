from pathlib import Path

import orjson
import pytest

from streams.events.importers import BadLine, LogRecord, read_log

CLICK = {"event_id": "e1", "type": "click", "user_id": "u1", "occurred_at_ms": 5, "item_id": "i1"}


def log(tmp_path: Path, *lines: object) -> Path:
    file = tmp_path / "log.jsonl"
    file.write_bytes(b"\n".join(line if isinstance(line, bytes) else orjson.dumps(line) for line in lines))
    return file


def test_own_lines_keep_their_values_and_take_their_keys_from_them(tmp_path: Path) -> None:
    item = {"item_id": "i1", "title": "A"}
    file = log(
        tmp_path,
        {"topic": "catalogue", "value": item},
        {"topic": "catalogue", "key": "i2", "value": None},
        {"topic": "events", "value": CLICK, "key": "another"},
        {"topic": "events", "value": {"type": "click"}},
        {"topic": "events", "value": None},
    )
    assert list(read_log(file, "freshrank")) == [
        LogRecord("catalogue", "i1", item, 1),
        LogRecord("catalogue", "i2", None, 2),
        LogRecord("events", "u1", CLICK, 3),
        LogRecord("events", None, {"type": "click"}, 4),
        LogRecord("events", None, None, 5),
    ]


BAD_LINES = [
    (b'{"topic":', "not_json", "line: unexpected end of data: line 1 column 10 (char 9); needed one JSON object"),
    (
        b'{"topic":NaN}',
        "not_json",
        "line: unexpected character, expected a JSON value: line 1 column 10 (char 9); needed one JSON object",
    ),
    (b'{"a":"\xff"}', "not_utf8", None),
    (b"[1]", "wrong_type", "line: found [1], must be an object"),
    (b"{}", "impossible_value", "topic: found None, must be 'events' or 'catalogue'"),
    (
        b'{"topic":"rankings","value":{}}',
        "impossible_value",
        "topic: found 'rankings', must be 'events' or 'catalogue'",
    ),
    (b'{"topic":"events"}', "missing_field", "value: not in the line, needed"),
]


@pytest.mark.parametrize(("raw", "reason", "detail"), BAD_LINES)
def test_a_bad_line_is_named_and_the_lines_around_it_are_read(
    tmp_path: Path, raw: bytes, reason: str, detail: str | None
) -> None:
    good = {"topic": "events", "value": CLICK}
    before, bad, after = read_log(log(tmp_path, good, raw, good), "freshrank")
    assert (before, after) == (LogRecord("events", "u1", CLICK, 1), LogRecord("events", "u1", CLICK, 3))
    assert isinstance(bad, BadLine)
    assert (bad.line, bad.reason, bad.raw) == (2, reason, raw)
    assert detail is None or bad.detail == detail


def test_a_metarank_line_that_cannot_be_mapped_is_a_bad_line(tmp_path: Path) -> None:
    raw = b'{"event":"user","id":"1"}'
    detail = "event: found 'user', must be 'item', 'ranking' or 'interaction'"
    assert list(read_log(log(tmp_path, raw), "metarank")) == [BadLine(1, "unknown_type", detail, raw)]
