"""What the compacted topics hold of a user, record by record."""

from dataclasses import dataclass

import msgspec

from streams.erasure.traces import ListTraces, StateTraces
from streams.features.forgotten_users import Forgotten, forgotten_key


@dataclass(frozen=True)
class Record:
    key: bytes | None
    value: bytes | None


def user(*surfaces: str) -> bytes:
    return msgspec.json.encode({"user_id": "ann", "surfaces": surfaces, "totals": [1]})


STATE = [
    Record(b"u:ann", user("home", "cart")),
    Record(b"s:ann\0list", b"{}"),
    Record(b"d:ann\x000", b"[]"),
    Record(b"u:anna", user("search")),
    Record(b"s:anna\0list", b"{}"),
    Record(b"i:ann", b"{}"),
    Record(None, b"{}"),
]
GONE = [Record(record.key, None) for record in STATE[:3]]


def state(*records: Record) -> StateTraces:
    traces = StateTraces("ann")
    traces.take(0, records)  # type: ignore[arg-type]
    return traces


def test_only_records_of_the_user_count_until_they_are_removed() -> None:
    before, after = state(*STATE), state(*STATE, *GONE)
    assert (before.num_alive, list(before.surfaces), before.forgotten_up_to_ms) == (3, ["home", "cart"], None)
    assert (after.num_alive, list(after.surfaces)) == (0, ["home", "cart"])


def test_surfaces_are_those_of_the_last_life() -> None:
    assert list(state(*STATE, *GONE, Record(b"u:ann", user("search"))).surfaces) == ["search"]


def test_the_worker_confirms_when_it_needs_the_id_no_more() -> None:
    key = forgotten_key("ann")
    asked = Record(key, msgspec.json.encode(Forgotten(5, "ann")))
    done = Record(key, msgspec.json.encode(Forgotten(5, "")))
    assert [state(*records).forgotten_up_to_ms for records in ((asked,), (asked, done), (done, asked))] == [
        None,
        5,
        None,
    ]


def test_lists_are_left_where_they_were_not_taken_back() -> None:
    traces = ListTraces("ann")
    traces.take(
        0,
        [
            Record(b"ann\0home", b"{}"),
            Record(b"ann\0home", None),
            Record(b"ann\0cart", None),
            Record(b"anna\0home", b"{}"),
        ],  # type: ignore[list-item]
    )
    assert traces.found_and_left(["home"]) == (2, 0)
    assert traces.found_and_left(["home", "search"]) == (3, 1)
    traces.take(1, [Record(b"ann\0cart", b"{}")])  # type: ignore[list-item]
    assert traces.found_and_left([]) == (2, 1)
