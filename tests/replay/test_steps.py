"""How a log is cut into steps."""

from typing import Any

import orjson

from streams.events.checked_log import CheckedRecord
from streams.events.rejection import Rejected
from streams.replay.evaluation import Evaluation
from streams.replay.steps import Step, cut_steps


def _event(kind: str, number: int, **fields: Any) -> CheckedRecord:
    value = {"type": kind, "event_id": str(number), "user_id": "u", "occurred_at_ms": number, **fields}
    return CheckedRecord("events", "u", orjson.dumps(value), value, number, None)


def _rank(number: int) -> CheckedRecord:
    return _event("rank", number, request_id=f"s{number}", surface="home", items=[{"item_id": "a"}])


def _item(number: int) -> CheckedRecord:
    value = {"item_id": f"i{number}"}
    return CheckedRecord("catalogue", value["item_id"], orjson.dumps(value), value, number, None)


def _cut(*records: CheckedRecord, lists_per_step: int = 2) -> list[Step]:
    return list(cut_steps(records, Evaluation(0), lists_per_step))


def _numbers(steps: list[Step]) -> list[tuple[list[int], list[str]]]:
    return [([item.line for item in step.items], [event["event_id"] for event in step.events]) for step in steps]


def test_a_step_ends_before_the_list_that_is_one_too_many() -> None:
    steps = _cut(_rank(1), _event("search", 2, query="q"), _rank(3), _event("search", 4, query="q"), _rank(5))

    assert _numbers(steps) == [([], ["1", "2", "3", "4"]), ([], ["5"])]
    assert [[one.slate_id for one in step.lists] for step in steps] == [["s1", "s3"], ["s5"]]


def test_items_come_before_the_events_after_them_and_never_before_the_ones_before() -> None:
    steps = _cut(_item(1), _item(2), _event("search", 3, query="q"), _item(4), _event("search", 5, query="q"), _item(6))

    assert _numbers(steps) == [([1, 2], ["3"]), ([4], ["5"]), ([6], [])]


def test_a_request_that_is_put_before_an_impression_stays_with_it() -> None:
    shown = {"surface": "home", "items": [{"item_id": "a", "position": 0}]}
    steps = _cut(
        _event("impression", 1, slate_id="s", **shown), _event("impression", 2, slate_id="t", **shown), lists_per_step=1
    )

    assert _numbers(steps) == [([], ["s:rank", "1"]), ([], ["t:rank", "2"])]


def test_refused_records_are_left_out() -> None:
    refused = CheckedRecord("events", None, b"{", None, 1, Rejected(0, "not_json", ""))

    assert _numbers(_cut(refused, _rank(2))) == [([], ["2"])]
    assert _cut(refused) == []
