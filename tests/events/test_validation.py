from typing import Any

from streams.events.checked_log import checked_records
from streams.events.importers import BadLine, LogRecord, LogTopic, read_log
from streams.events.validation import LogReport, validate_log
from tests.events.ranklens import RANKLENS, needs_ranklens

T0 = 1_700_000_000_000
CONTRACT = "every record keeps the contract"
ORDER = "event times go back by at most 5 s"
IDS = "event ids are unique per user"
POSITIONS = "a list has each item and each position once"
JOINS = "an action on a slate follows an impression of that item in it"
CATALOGUED = "items that events name are in the catalogue"


def event(kind: str, at_s: float, **fields: Any) -> dict[str, Any]:
    common = {"event_id": f"{kind}{at_s}", "user_id": "u", "occurred_at_ms": T0 + int(at_s * 1000), "type": kind}
    return {**common, **fields}


def shown(at_s: float, slate_id: str, *item_ids: str) -> dict[str, Any]:
    items = [{"item_id": item_id, "position": place} for place, item_id in enumerate(item_ids)]
    return event("impression", at_s, slate_id=slate_id, surface="home", items=items)


def report(*values: dict[str, Any] | BadLine) -> LogReport:
    def record(line: int, value: dict[str, Any] | BadLine) -> LogRecord | BadLine:
        topic: LogTopic = "events" if isinstance(value, BadLine) or "type" in value else "catalogue"
        return (
            value
            if isinstance(value, BadLine)
            else LogRecord(topic, value.get("user_id", value.get("item_id")), value, line)
        )

    return validate_log(checked_records(record(k, v) for k, v in enumerate(values, start=1)), allowed_lateness_s=5)


def found(done: LogReport) -> dict[str, tuple[str, int, int, list[str]]]:
    return {c.name: (c.status, c.checked, c.bad, c.examples) for c in done.checks if c.status != "PASS"}


def test_a_good_log_passes_every_check() -> None:
    done = report({"item_id": "i"}, shown(0, "s", "i"), event("click", 1, item_id="i", slate_id="s"))
    assert (done.lines, done.records, done.is_passed) == (3, {"click": 1, "impression": 1, "item": 1}, True)
    assert [(c.name, c.status, c.checked) for c in done.checks] == [
        (CONTRACT, "PASS", 3), (ORDER, "PASS", 2), (IDS, "PASS", 2), (POSITIONS, "PASS", 1), (JOINS, "PASS", 1),
        (CATALOGUED, "PASS", 1),
    ]  # fmt: skip


def test_refused_records_and_lines_fail_with_their_reason() -> None:
    done = report(
        event("dwell", 0, item_id="i", dwell_s=-1), BadLine(2, "not_json", "line: cut", b"{"), {"item_id": ""}
    )
    assert not done.is_passed
    assert done.records == {"refused": 3}
    assert found(done)[CONTRACT] == (
        "FAIL",
        3,
        3,
        [
            "line 1: impossible_value: dwell_s: found -1, must be greater than or equal to 0",
            "line 2: not_json: line: cut",
            "line 3: impossible_value: item_id: found '', String must have at least 1 character",
        ],
    )


def test_a_time_far_behind_fails_and_one_within_lateness_does_not() -> None:
    done = report(event("search", 100, query="q"), event("search", 95, query="q"), event("search", 94.9, query="q"))
    assert found(done) == {ORDER: ("FAIL", 3, 1, ["line 3: 5.1 s behind an earlier line"])}


def test_a_repeated_event_id_of_one_user_fails_and_of_two_users_does_not() -> None:
    first = event("search", 0, query="q")
    done = report(first, {**first, "user_id": "v"}, first)
    assert found(done) == {IDS: ("FAIL", 3, 1, ["line 3: event_id 'search0' of user 'u' came before"])}


def test_an_item_or_a_position_that_stands_twice_in_a_list_fails() -> None:
    twice = shown(1, "s2", "i", "i")
    same_place = event("rank", 2, request_id="r", surface="home",
                       items=[{"item_id": "i", "position": 3}, {"item_id": "j", "position": 3}])  # fmt: skip
    done = report({"item_id": "i"}, {"item_id": "j"}, shown(0, "s1", "i", "j"), twice, same_place)
    assert found(done)[POSITIONS] == (
        "FAIL", 3, 2, ["line 4: 2 places, 1 items, 2 positions", "line 5: 2 places, 2 items, 1 positions"],
    )  # fmt: skip


def test_clicks_on_slates_never_shown_warn_when_few_and_fail_when_many() -> None:
    item, lost = {"item_id": "i"}, event("click", 1, item_id="i", slate_id="lost")
    wrong = event("cart", 1, item_id="i", slate_id="s")
    good = [event("click", 1, item_id="i", slate_id="s", event_id=f"c{k}") for k in range(99)]
    few = report(item, shown(0, "s", "i"), *good, lost)
    example = "click on slate 'lost' that did not show the item"
    assert (few.is_passed, found(few)) == (True, {JOINS: ("WARN", 100, 1, [f"line 102: {example}"])})
    many = report(item, shown(0, "s", "j"), lost, wrong)
    assert not many.is_passed
    assert found(many)[JOINS] == (
        "FAIL", 2, 2, [f"line 3: {example}", "line 4: cart on slate 's' that did not show the item"],
    )  # fmt: skip


def test_a_click_before_its_impression_in_the_file_still_finds_it() -> None:
    done = report({"item_id": "i"}, event("click", 1, item_id="i", slate_id="s"), shown(0, "s", "i"))
    assert found(done) == {}


def test_items_never_catalogued_warn_and_those_catalogued_later_do_not() -> None:
    done = report(event("view", 0, item_id="late"), event("view", 1, item_id="never"), {"item_id": "late"})
    done_by_key = {name: what for name, what in found(done).items() if name == CATALOGUED}
    assert done.is_passed
    assert done_by_key == {CATALOGUED: ("WARN", 2, 1, ["line 2: item 'never' has no catalogue record"])}


def test_only_the_first_five_examples_are_kept() -> None:
    done = report(*(event("view", k, item_id=f"i{k}") for k in range(9)))
    assert [(c.bad, len(c.examples)) for c in done.checks if c.name == CATALOGUED] == [(9, 5)]


@needs_ranklens
def test_ranklens_passes_with_all_its_lines() -> None:
    done = validate_log(checked_records(read_log(RANKLENS, "metarank")), allowed_lateness_s=5)
    assert (done.lines, done.is_passed) == (58_437, True)
    assert done.records == {"click": 46_125, "impression": 9_800, "item": 2_512, "rank": 9_800}
    assert {name: what[:3] for name, what in found(done).items()} == {CATALOGUED: ("WARN", 2_520, 8)}
