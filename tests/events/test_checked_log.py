from streams.events.checked_log import CheckedRecord, checked_records
from streams.events.importers import BadLine, LogRecord
from streams.events.rejection import Rejected

T0 = 1_700_000_000_000
SEARCH = {"event_id": "e", "type": "search", "user_id": "u", "occurred_at_ms": T0, "query": "q"}
SEARCH_BYTES = b'{"event_id":"e","type":"search","user_id":"u","occurred_at_ms":1700000000000,"query":"q"}'


def test_good_records_come_with_their_bytes_and_validated_values() -> None:
    extra = {**SEARCH, "other": 1}
    records = [
        LogRecord("catalogue", "i", {"item_id": "i", "more": []}, 1),
        LogRecord("catalogue", "i", None, 2),
        LogRecord("events", "u", extra, 3),
    ]
    assert list(checked_records(records)) == [
        CheckedRecord("catalogue", "i", b'{"item_id":"i","more":[]}', {"item_id": "i"}, 1, None),
        CheckedRecord("catalogue", "i", None, None, 2, None),
        CheckedRecord("events", "u", SEARCH_BYTES[:-1] + b',"other":1}', SEARCH, 3, None),
    ]


def test_bad_records_come_with_their_refusal_and_neighbours_stay_good() -> None:
    bad = [
        LogRecord("events", None, None, 2),
        LogRecord("events", "u", {**SEARCH, "occurred_at_ms": 5}, 3),
        BadLine(4, "not_json", "line: cut", b"{"),
        LogRecord("catalogue", None, {"item_id": 1}, 5),
        LogRecord("catalogue", None, None, 6),
    ]
    good = LogRecord("events", "u", SEARCH, 1)
    first, *refused, last = checked_records([good, *bad, good])
    assert first == last == CheckedRecord("events", "u", SEARCH_BYTES, SEARCH, 1, None)
    assert [(r.topic, r.value, r.line, r.refusal and (r.refusal.reason, r.refusal.detail)) for r in refused] == [
        ("events", None, 2, ("empty", "record: found no value, needed one JSON object")),
        (
            "events",
            None,
            3,
            ("time_too_old", "occurred_at_ms: found 5, must be at least 946684800000 (the year 2000)"),
        ),
        ("events", None, 4, ("not_json", "line: cut")),
        ("catalogue", None, 5, ("wrong_type", "item_id: found 1, must be a valid string")),
        ("catalogue", None, 6, ("empty", "record: found no value, needed one JSON object")),
    ]
    assert isinstance(refused[0].refusal, Rejected)


def test_many_records_keep_their_order_across_chunks() -> None:
    records = [LogRecord("events", "u", {**SEARCH, "event_id": str(n)}, n) for n in range(1_234)]
    assert [r.line for r in checked_records(records)] == list(range(1_234))
